"""The container service as the catalog names it, with Zun's versions and its way of saying no."""

from trivet.api.kit.service import Service
from trivet.api.kit.versions import Microversions
from trivet.errors import TrivetError


def error_body(error: TrivetError, request_id: str) -> object:
    code = error.code if error.code.startswith("container.") else f"container.{error.code}"
    fault = {
        "request_id": request_id,
        "code": code,
        "status": error.http_status,
        "title": error.message,
        "detail": error.message,
        "links": [],
    }
    return {"errors": [fault]}


MICROVERSIONS = Microversions("container", "1.1", "1.40")
SERVICE = Service(
    "trivet.api.container",
    name="zun",
    types=("container",),
    prefix="/container",
    catalog_path="/v1",
    error_body=error_body,
    microversions=MICROVERSIONS,
    slashes_fold=True,
    not_offered={
        "/v1/registries": "other registries: containers run what is in this cloud's own",
        "/v1/images": "images apart from the image service",
    },
)
