"""The block-storage API as the catalog names it, and its way of saying no: one key that is named after the status."""

from trivet.api.kit.service import Service
from trivet.api.kit.versions import Microversions
from trivet.errors import TrivetError

_FAULTS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def error_body(error: TrivetError, request_id: str) -> object:
    if error.http_status == 401:
        return {"error": {"code": 401, "title": "Unauthorized", "message": error.message}}
    fault = _FAULTS.get(error.http_status, "computeFault")
    return {fault: {"code": error.http_status, "message": error.message}}


MICROVERSIONS = Microversions("volume", "3.0", "3.71")
SERVICE = Service(
    package="trivet.api.volume",
    name="cinder",
    types=("block-storage", "volumev3"),
    prefix="/volume",
    catalog_path="/v3",
    error_body=error_body,
    microversions=MICROVERSIONS,
)
