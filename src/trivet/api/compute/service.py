"""The compute API as the catalog names it."""

from trivet.api.kit.faults import error_body
from trivet.api.kit.service import Service
from trivet.api.kit.versions import Microversions
from trivet.domain.servers.limits import LIMITS

MICROVERSIONS = Microversions("compute", "2.1", "2.104", legacy_header="X-OpenStack-Nova-API-Version")
SERVICE = Service(
    package="trivet.api.compute",
    name="nova",
    types=("compute",),
    prefix="/compute",
    catalog_path="/v2.1",
    error_body=error_body,
    microversions=MICROVERSIONS,
    limits=LIMITS,
)
