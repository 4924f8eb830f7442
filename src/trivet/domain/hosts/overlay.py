"""The overlay: the one network between the hosts, in which servers' networks run, and how a host comes onto it.

The host that is the centre says where it is. A host elsewhere makes a key, has it signed here with the name that it is
known by, and is from then on one of the overlay's chassis.
"""

from trivet.domain.hosts import authority
from trivet.domain.hosts.admission import Admitted
from trivet.domain.hosts.authority import Authority
from trivet.domain.secrets import Secrets
from trivet.drivers.contracts.network import chassis_of
from trivet.errors import Conflict
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

_THE_ONE = "overlay"


class Overlay(Record, frozen=True, kw_only=True):
    southbound: str
    """Where chassis find the database that tells them what to do."""
    authority: str
    sealed_key: str
    created_at: float


OVERLAYS = Table("overlays", Overlay, logged=False)


async def lay(tx: Tx, secrets: Secrets, southbound: str) -> Overlay:
    """The cloud's overlay with its centre there; the authority is made once and stays."""
    known = await tx.get(OVERLAYS, _THE_ONE)
    if known is None:
        made = authority.found()
        known = Overlay(
            id=_THE_ONE,
            southbound=southbound,
            authority=made.certificate,
            sealed_key=secrets.seal(made.private_key),
            created_at=tx.clock.now(),
        )
        return await tx.insert(OVERLAYS, known)
    return known if known.southbound == southbound else await tx.update(OVERLAYS, known, southbound=southbound)


async def sign(tx: Tx, secrets: Secrets, asked: str, name: str, ip: str | None = None) -> Admitted:
    """A certificate in that name, and whom to show it to."""
    known = await tx.get(OVERLAYS, _THE_ONE)
    if known is None:
        raise Conflict(
            "overlay.absent",
            "This cloud has one host only: its own has no place on a network between hosts. Start it with "
            "--underlay ADDRESS/PREFIX@INTERFACE.",
        )
    own = Authority(known.authority, secrets.open(known.sealed_key))
    return Admitted(name, known.southbound, authority.sign(own, asked, name, ip), known.authority)


async def sign_chassis(tx: Tx, secrets: Secrets, asked: str, host_id: str) -> Admitted:
    """A certificate for the chassis that a host becomes."""
    return await sign(tx, secrets, asked, chassis_of(host_id))
