"""This host, with its real engines: found, started, tended, and halted on the way out."""

import ipaddress
import logging
import shutil
import socket
from pathlib import Path

import msgspec

from trivet.domain.hosts import authority, hosts, overlay
from trivet.domain.hosts.hosts import Host
from trivet.drivers.contracts.network import chassis_of
from trivet.drivers.ovn.central.northbound import OvnNetwork
from trivet.drivers.ovn.chassis.wires import OvnWires
from trivet.drivers.ovn.engine import External, OvnEngine
from trivet.drivers.ovn.seats import Alone, Centre, Keys, Seat, read_underlay
from trivet.drivers.qsd.volumes import QsdVolumes
from trivet.drivers.qsd.volumes import missing as qsd_missing
from trivet.hosting import inside
from trivet.hosting.hosts_here import Hosting, backend_of
from trivet.hosting.this_machine import Has, ThisMachine, keep_keys, tag_of
from trivet.parts import Parts
from trivet.store.store import transact

_CENTRE = "centre"
"""What the centre of the overlay is called in its certificate."""
_logger = logging.getLogger(__name__)


async def real(parts: Parts) -> Hosting:
    settings = parts.settings
    data = Path(settings.data).absolute()
    machine = await ThisMachine.found(data, inside.given(settings))
    outside = External(_host_address(settings.external_cidr), masquerade=shutil.which("iptables") is not None)
    has = machine.has
    host = await transact(parts.store, lambda tx: hosts.register(tx, _this_host(parts, has), hardware=has.hardware))
    seat = await _seat(parts, data, host)
    ovn = OvnEngine(data, tag_of(data), outside, physical=settings.physical, seat=seat)
    await ovn.up()
    network = OvnNetwork(ovn)
    wires = OvnWires(ovn)
    engines = machine.engines(wires)
    volumes = _volumes_here(data)

    async def close() -> None:
        if not settings.leave_running:
            await machine.halt(engines)
            if volumes is not None:
                await volumes.halt()
        await network.close()
        await wires.close()
        if not settings.leave_running:
            await ovn.down()

    return Hosting(
        name=f"of {host.name}",
        engines={host.id: engines},
        network=network,
        tend=ovn.up,
        volumes=volumes,
        backend=backend_of(parts, f"{host.name}@files", "files", host.id),
        closers=[close],
    )


async def _seat(parts: Parts, data: Path, host: Host) -> Seat:
    """With an underlay, this host is the centre of the network between the hosts; without, it is the only one."""
    if not parts.settings.underlay:
        return Alone()
    keys = Keys.under(data / "overlay")
    seat = Centre(read_underlay(parts.settings.underlay), keys, chassis_of(host.id))
    secrets = parts.secrets
    private_key, asked = authority.request(_CENTRE)
    await transact(parts.store, lambda tx: overlay.lay(tx, secrets, seat.southbound))
    admitted = await transact(parts.store, lambda tx: overlay.sign(tx, secrets, asked, _CENTRE, seat.underlay.ip))
    keep_keys(keys, private_key, admitted)
    return seat


def _volumes_here(data: Path) -> QsdVolumes | None:
    if lacks := qsd_missing():
        _logger.warning("This host keeps no volumes: %s", ", ".join(lacks))
        return None
    return QsdVolumes(data / "volumes")


def _host_address(cidr: str) -> str:
    """The host's own on the external network: the first one, which servers use as their way out."""
    network = ipaddress.ip_network(cidr)
    return f"{next(network.hosts())}/{network.prefixlen}"


def _this_host(parts: Parts, has: Has) -> Host:
    now = parts.clock.now()
    said = {name: value for name, value in msgspec.structs.asdict(has).items() if name not in ("up_s", "hardware")}
    return Host(
        id=parts.ids.uuid(),
        name=socket.gethostname(),
        created_at=now,
        updated_at=now,
        agent_seen_at=now,
        booted_at=now - has.up_s,
        **said,
    )
