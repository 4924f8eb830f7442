"""The shape of a refusal in the services that came out of compute: one key that is named after the status."""

from trivet.errors import TrivetError

_NAMES = {
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
    fault = _NAMES.get(error.http_status, "computeFault")
    return {fault: {"code": error.http_status, "message": error.message}}
