"""What watches a cloud asks here. The catalog does not list it: who watches knows where."""

from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    return {"error": {"code": error.http_status, "message": error.message}}


SERVICE = Service("trivet.api.monitor", name="monitor", types=(), prefix="", catalog_path="", error_body=error_body)
