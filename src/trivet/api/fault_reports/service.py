"""Fault reports, beside the services of OpenStack, which have nothing of the kind."""

from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    return {"error": {"code": error.code, "status": error.http_status, "message": error.message}}


SERVICE = Service(
    "trivet.api.fault_reports",
    name="fault-reports",
    types=(),
    prefix="/v1/fault-reports",
    catalog_path="",
    error_body=error_body,
)
