"""The compute API as the catalog names it, and its way of saying no: one key that is named after the status."""

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


MICROVERSIONS = Microversions("compute", "2.1", "2.104", legacy_header="X-OpenStack-Nova-API-Version")
SERVICE = Service(
    package="trivet.api.compute",
    name="nova",
    types=("compute",),
    prefix="/compute",
    catalog_path="/v2.1",
    error_body=error_body,
    microversions=MICROVERSIONS,
)
