"""Alarms, in words of our own; in those of ETSI they are at /vnffm."""

from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    return {"error": {"code": error.code, "status": error.http_status, "message": error.message}}


SERVICE = Service(
    "trivet.api.alarms", name="alarms", types=(), prefix="/v1/alarms", catalog_path="", error_body=error_body
)
