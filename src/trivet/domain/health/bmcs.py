"""BMCs: the small computer beside a host by which its power is looked at and cut, and what opens it, sealed."""

from typing import Any

from trivet.domain.hosts.hosts import Host
from trivet.domain.secrets import Secrets
from trivet.drivers.contracts.power import BmcAt
from trivet.errors import NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class HostBmc(Record, frozen=True, kw_only=True):
    """Of the host's own id."""

    url: str
    """Of the host's system: https://10.0.0.7/redfish/v1/Systems/1"""
    username: str
    sealed_password: str
    certificate: str = ""
    """What its certificate must be signed by, in PEM; empty: whom this machine trusts."""
    created_at: float
    updated_at: float


def at(url: str, username: str, password: str, certificate: str) -> BmcAt:
    return BmcAt(url, username, password, certificate)


HOST_BMCS = Table("host_bmcs", HostBmc)


async def keep(tx: Tx, secrets: Secrets, host: Host, at: BmcAt) -> HostBmc:
    now = tx.clock.now()
    known = await tx.get(HOST_BMCS, host.id)
    said: dict[str, Any] = {
        "url": at.url,
        "username": at.username,
        "sealed_password": secrets.seal(at.password),
        "certificate": at.certificate,
    }
    if known is not None:
        return await tx.update(HOST_BMCS, known, **said, updated_at=now)
    return await tx.insert(HOST_BMCS, HostBmc(id=host.id, **said, created_at=now, updated_at=now))


async def needed(tx: Tx, host: Host) -> HostBmc:
    found = await tx.get(HOST_BMCS, host.id)
    if found is None:
        raise NotFound("bmc.absent", f"Host {host.name} has no BMC on record.")
    return found


async def forget(tx: Tx, host: Host) -> None:
    await tx.delete(HOST_BMCS, await needed(tx, host))


async def all_of(tx: Tx, secrets: Secrets) -> dict[str, BmcAt]:
    """Host id -> how its BMC is opened."""
    return {
        found.id: BmcAt(found.url, found.username, secrets.open(found.sealed_password), found.certificate)
        for found in await tx.select(HOST_BMCS)
    }
