"""Devices: what a port says that it is a part of, and who may say it.

`device_id` is a word that a tenant writes. So it may name nothing of another project's, and whoever follows it to a
server or a router compares the project all the same: a word proves nothing.
"""

from msgspec import UNSET

from trivet.domain.callers import Caller
from trivet.domain.network import rbac_policies
from trivet.domain.network.ports.wishes import PortCreate, PortUpdate
from trivet.errors import Conflict
from trivet.store.tx import Tx


def of_the_network(device_owner: str) -> bool:
    """Written by us for routers, floating IPs and their like, in whatever case somebody else writes it."""
    return device_owner.lower().startswith("network:")


async def may_say(
    tx: Tx, caller: Caller, project_id: str, wanted: PortCreate | PortUpdate, *, old_id: str = "", old_owner: str = ""
) -> None:
    """`old_*` are the words of a port that is there; to say them again changes nothing."""
    if caller.is_operator:
        return
    act = "create_port" if isinstance(wanted, PortCreate) else "update_port"
    device_id = old_id if wanted.device_id is UNSET else wanted.device_id
    owner = old_owner if wanted.device_owner is UNSET else wanted.device_owner
    if (device_id, owner) == (old_id, old_owner):
        return
    if of_the_network(owner) or of_the_network(old_owner):
        rbac_policies.operator_only(caller, f"{act}:device_owner", owner)
    await _nobody_elses(tx, project_id, device_id)


async def _nobody_elses(tx: Tx, project_id: str, device_id: str) -> None:
    if not device_id:
        return
    row = await tx.row(
        "SELECT 1 FROM servers WHERE id = ? AND project_id <> ?"
        " UNION ALL SELECT 1 FROM routers WHERE id = ? AND project_id <> ?",
        device_id,
        project_id,
        device_id,
        project_id,
    )
    if row is not None:
        raise Conflict(
            "port.device_foreign",
            f"The following device_id {device_id[:64]} is not owned by your tenant or matches another tenants router.",
        )
