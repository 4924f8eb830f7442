"""Bare metal as the catalog names it, and its way of saying no: a text in JSON, within JSON, as its clients know it."""

from trivet.api.kit.request import encode
from trivet.api.kit.service import Service
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    whose = "Server" if error.http_status >= 500 else "Client"
    said = {"faultcode": whose, "faultstring": error.message, "debuginfo": None}
    return {"error_message": encode(said).decode()}


SERVICE = Service(
    package="trivet.api.baremetal",
    name="ironic",
    types=("baremetal",),
    prefix="/baremetal",
    catalog_path="",
    error_body=error_body,
    dispensable="/v1",
)
