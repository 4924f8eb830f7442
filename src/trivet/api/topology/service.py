"""Topology, for operators: the catalog does not list it, since tenants have no machines."""

from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    return {"error": {"code": error.code, "status": error.http_status, "message": error.message}}


SERVICE = Service(
    "trivet.api.topology", name="topology", types=(), prefix="/v1/topology", catalog_path="", error_body=error_body
)
