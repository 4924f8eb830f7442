"""Words for servers that hosts use, too: an agent needs them and has no database, so nothing here does."""

from typing import Literal

CONSOLE_WAIT_S = 10.0
"""How long who asks for a console's output waits for the host, and the host for its engine."""

AT = "trivet:at"
"""In the metadata, until the host puts the place of the device there."""

ROOT_DISK = "root"

Kind = Literal["vm", "container", "metal"]
Want = Literal["running", "stopped", "paused", "suspended", "shelved", "gone"]
RescueDevice = Literal["disk", "cdrom"]
RescueBus = Literal["virtio", "scsi", "ide", "sata", "usb"]
Status = Literal[
    "building",
    "active",
    "stopped",
    "paused",
    "suspended",
    "rescued",
    "resized",
    "shelved",
    "shelved_offloaded",
    "error",
    "soft-delete",
    "deleted",
]
