"""The block-storage API as the catalog names it."""

from trivet.api.kit.faults import error_body
from trivet.api.kit.service import Service
from trivet.api.kit.versions import Microversions
from trivet.domain.volumes.limits import LIMITS

MICROVERSIONS = Microversions("volume", "3.0", "3.71")
SERVICE = Service(
    package="trivet.api.volume",
    name="cinder",
    types=("block-storage", "volumev3"),
    prefix="/volume",
    catalog_path="/v3",
    error_body=error_body,
    microversions=MICROVERSIONS,
    limits=LIMITS,
)
