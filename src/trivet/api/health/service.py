"""Health of hosts, beside the services of OpenStack: the catalog does not list it, since tenants have no hosts."""

from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    return {"error": {"code": error.code, "status": error.http_status, "message": error.message}}


SERVICE = Service(
    "trivet.api.health", name="health", types=(), prefix="/v1/hosts", catalog_path="", error_body=error_body
)
