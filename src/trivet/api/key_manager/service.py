"""The key manager as the catalog names it, and its way of saying no: a code, a title and a description."""

from http import HTTPStatus

from trivet.api.kit.service import Service
from trivet.api.kit.versions import Microversions
from trivet.domain.key_manager.limits import LIMITS
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        return {"error": {"code": 401, "title": "Unauthorized", "message": error.message}}
    return {
        "code": error.http_status,
        "title": HTTPStatus(error.http_status).phrase,
        "description": error.message,
    }


MICROVERSIONS = Microversions("key-manager", "1.0", "1.2")
SERVICE = Service(
    package="trivet.api.key_manager",
    name="barbican",
    types=("key-manager",),
    prefix="/key-manager",
    catalog_path="",
    error_body=error_body,
    microversions=MICROVERSIONS,
    limits=LIMITS,
)
