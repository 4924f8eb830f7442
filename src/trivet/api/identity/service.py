"""What identity is in the catalog, and how it says no."""

from http import HTTPStatus

from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    return {
        "error": {
            "code": error.http_status,
            "title": HTTPStatus(error.http_status).phrase,
            "message": error.message,
        }
    }


SERVICE = Service(
    package="trivet.api.identity",
    name="keystone",
    types=("identity",),
    prefix="/identity",
    catalog_path="/v3",
    error_body=error_body,
)
