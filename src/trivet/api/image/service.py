"""The image service as the catalog names it, and its way of saying no."""

from http import HTTPStatus

from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    title = HTTPStatus(error.http_status).phrase
    return {"code": f"{error.http_status} {title}", "title": title, "message": error.message}


SERVICE = Service(
    package="trivet.api.image",
    name="glance",
    types=("image",),
    prefix="/image",
    catalog_path="",
    error_body=error_body,
)
