"""The service instance-ha, with Masakari's versions and its way of saying no."""

from trivet.api.kit.service import Service
from trivet.api.kit.versions import Microversions
from trivet.errors import TrivetError

_NAMES = {
    400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
    409: "conflictingRequest", 413: "overLimit", 503: "serviceUnavailable",
}  # fmt: skip


def error_body(error: TrivetError, request_id: str) -> object:
    return {_NAMES.get(error.http_status, "computeFault"): {"code": error.http_status, "message": error.message}}


MICROVERSIONS = Microversions("instance-ha", "1.0", "1.3")
SERVICE = Service(
    "trivet.api.instance_ha",
    name="masakari",
    types=("instance-ha",),
    prefix="/instance-ha",
    catalog_path="/v1",
    error_body=error_body,
    microversions=MICROVERSIONS,
)
