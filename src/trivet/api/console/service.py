"""The console proxy, which the catalog does not list: its URLs come from the compute API."""

from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    return {"error": {"code": error.http_status, "message": error.message}}


SERVICE = Service(
    "trivet.api.console", name="console", types=(), prefix="/console", catalog_path="", error_body=error_body
)
