"""The object store as the catalog names it, and its way of saying no: a small page."""

from html import escape
from http import HTTPStatus

from trivet.api.kit.service import Service
from trivet.domain.objects.accounts import LIMITS
from trivet.errors import OverQuota, TrivetError

_TITLES = {499: "Client Disconnect", 507: "Insufficient Storage"}


def error_body(error: TrivetError, request_id: str) -> object:
    return {"error": {"code": error.http_status, "message": error.message}}


def error_text(error: TrivetError, accept: str | None) -> tuple[str, str]:
    title = _TITLES.get(error.http_status) or HTTPStatus(error.http_status).phrase
    page = f"<html><h1>{title}</h1><p>{escape(error.message, quote=False)}</p></html>"
    return "text/html; charset=UTF-8", page


def reply_headers(request_id: str) -> list[tuple[bytes, bytes]]:
    """Swift's own id of a request, made from ours."""
    hexes = request_id.removeprefix("req-").replace("-", "")
    trans_id = f"tx{hexes[:21]}-00{hexes[21:29]}".encode()
    return [(b"x-trans-id", trans_id), (b"x-openstack-request-id", request_id.encode())]


SERVICE = Service(
    package="trivet.api.object",
    name="swift",
    types=("object-store",),
    prefix="/object-store",
    catalog_path="/v1/AUTH_$(project_id)s",
    error_body=error_body,
    error_text=error_text,
    statuses={OverQuota: 413},
    reply_headers=reply_headers,
    limits=LIMITS,
)
