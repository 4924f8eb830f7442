"""SOL003's interface for fault management; its errors are RFC 7807's."""

from http import HTTPStatus

from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    title = HTTPStatus(error.http_status).phrase
    return {"type": "about:blank", "title": title, "status": error.http_status, "detail": error.message}


SERVICE = Service(
    "trivet.api.vnffm", name="vnffm", types=("nfv-vnffm",), prefix="/vnffm", catalog_path="/v1", error_body=error_body
)
