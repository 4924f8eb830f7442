"""The door for agents on other machines, which the catalog does not list: no tenant has any business here.

Its errors carry the code, since who reads them is a program of ours that acts on it.
"""

from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    return {
        "error": {
            "code": error.code,
            "status": error.http_status,
            "message": error.message,
            "request_id": request_id,
        }
    }


SERVICE = Service(
    "trivet.api.host_link", name="agent", types=(), prefix="/v1/agent", catalog_path="", error_body=error_body
)
