"""The image service as the catalog names it, and its way of saying no.

Glance answers in the form that a client asks for, and its own client asks for anything (`Accept: */*`), reads pages,
and falls over JSON that is not nested. So JSON is for who names it.
"""

from html import escape
from http import HTTPStatus

from trivet.api.kit.accepts import preferred
from trivet.api.kit.request import encode
from trivet.api.kit.service import Service
from trivet.domain.images.limits import LIMITS
from trivet.errors import TrivetError

_HTML, _JSON = "text/html", "application/json"


def error_body(error: TrivetError, request_id: str) -> object:
    title = HTTPStatus(error.http_status).phrase
    return {"code": f"{error.http_status} {title}", "title": title, "message": error.message}


def error_text(error: TrivetError, accept: str | None) -> tuple[str, str]:
    kind = preferred(accept, (_HTML, _JSON))
    title = f"{error.http_status} {HTTPStatus(error.http_status).phrase}"
    if kind == _JSON:
        return _JSON, encode(error_body(error, "")).decode()
    if kind == _HTML:
        message = escape(error.message, quote=False)
        page = (
            f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n"
            f"  <h1>{title}</h1>\n  {message}<br /><br />\n </body>\n</html>\n"
        )
        return f"{_HTML}; charset=UTF-8", page
    return "text/plain; charset=UTF-8", f"{title}\n\n{error.message}\n"


SERVICE = Service(
    package="trivet.api.image",
    name="glance",
    types=("image",),
    prefix="/image",
    catalog_path="",
    error_body=error_body,
    error_text=error_text,
    limits=LIMITS,
)
