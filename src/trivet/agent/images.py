"""Images on the host: where one lies, and whether an engine can start from it."""

from typing import Literal

from trivet.agent.link import Link
from trivet.domain.servers.orders import ImageAt
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import NotFound

Format = Literal["qcow2", "raw", "oci"]
_FORMATS: dict[str, Format] = {"qcow2": "qcow2", "raw": "raw", "oci": "oci"}


async def image_path(image: ImageAt, link: Link) -> str:
    try:
        return await link.image_path(image)
    except NotFound as refusal:
        raise DriverError(refusal.message, again=False) from refusal


def format_of(text: str) -> Format:
    found = _FORMATS.get(text)
    if found is None:
        raise DriverError(f"An image of disk format {text} cannot be started here; use qcow2, raw or oci.", again=False)
    return found
