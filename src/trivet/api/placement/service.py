"""The placement API as the catalog names it, and its way of saying no: a list of one error, with a code."""

from http import HTTPStatus

from trivet.api.kit import versions
from trivet.api.kit.service import Service
from trivet.api.kit.versions import Microversions
from trivet.errors import TrivetError

_CODES = {
    "record.stale": "placement.concurrent_update",
    "record.exists": "placement.concurrent_update",
    "provider.generation": "placement.concurrent_update",
    "consumer.generation": "placement.concurrent_update",
    "provider.exists": "placement.duplicate_name",
    "provider.in_use": "placement.resource_provider.inuse",
    "provider.has_children": "placement.resource_provider.cannot_delete_parent",
    "provider.unknown": "placement.resource_provider.not_found",
    "inventory.in_use": "placement.inventory.inuse",
    "query.duplicate": "placement.query.duplicate_key",
    "query.bad_value": "placement.query.bad_value",
    "query.missing_value": "placement.query.missing_value",
}
"""Ours -> theirs, for codes that placement's clients act on."""


def error_body(error: TrivetError, request_id: str) -> object:
    said: dict[str, object] = {
        "status": error.http_status,
        "title": HTTPStatus(error.http_status).phrase,
        "detail": error.message,
        "code": _CODES.get(error.code, "placement.undefined_code"),
        "request_id": request_id,
    }
    if error.http_status == HTTPStatus.NOT_ACCEPTABLE:
        said["min_version"] = versions.text(MICROVERSIONS.lowest)
        said["max_version"] = versions.text(MICROVERSIONS.newest)
    return {"errors": [said]}


MICROVERSIONS = Microversions("placement", "1.0", "1.39")
SERVICE = Service(
    package="trivet.api.placement",
    name="placement",
    types=("placement",),
    prefix="/placement",
    catalog_path="",
    error_body=error_body,
    microversions=MICROVERSIONS,
)
