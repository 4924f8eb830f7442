"""The OVN of this host, started by us under one directory and known by a short tag.

It is a second OVS beside any that the system runs: own databases, own sockets, own bridges named after the tag.
Everything it holds follows from what Trivet wants, so `down` throws all of it away.
"""

import asyncio
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.ovn.central.networks import made_mac
from trivet.drivers.ovn.chassis import links, masquerade
from trivet.drivers.ovn.chassis.datapath import USERSPACE_DEVICE, Datapath, choose, in_use, only_one_of_us
from trivet.drivers.ovn.chassis.underlay import Door
from trivet.drivers.ovn.commands import run
from trivet.drivers.ovn.daemons import (
    SOUTHBOUND,
    daemons,
    environment,
    missing_programs,
    prepare_databases,
    southbound_of,
    southbound_socket,
)
from trivet.drivers.ovn.seats import PORT, Alone, Centre, Seat, bracketed, underlay_of

SILENCE_S = 60.0
"""How long a daemon may be busy with one thing. Large changes take some seconds."""
_ANSWER_S = 5.0
_logger = logging.getLogger(__name__)
_PROGRAMS = {
    "ovsdb-server": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-common",
    "ovn-northd": "ovn-central",
    "ovn-controller": "ovn-host",
    "ip": "iproute2",
}


class External(msgspec.Struct, frozen=True):
    """The provider network at the host's own door."""

    address: str
    """The host's address on that network, with prefix length, such as 172.24.4.1/24."""
    physical: str = "public"
    masquerade: bool = False
    """Let what comes from that network out into the world, as coming from this host."""


def missing() -> list[str]:
    """What keeps OVN from running here, in words for an operator; empty when nothing does."""
    lacks = missing_programs(_PROGRAMS)
    if os.geteuid() != 0:
        lacks.append("not running as root (links, namespaces and OVS need it)")
    elif not Path("/dev/net/tun").exists():
        lacks.append("the kernel has no /dev/net/tun")
    return lacks


class OvnEngine:
    def __init__(
        self,
        directory: Path,
        tag: str = "trv",
        external: External | None = None,
        *,
        physical: Mapping[str, str] | None = None,
        seat: Seat | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        """`physical`: further physical networks, each with the interface of this host that leads there."""
        if not re.fullmatch(r"[a-z0-9]{1,8}", tag):
            raise DriverError(f"The instance tag {tag!r} must be 1 to 8 small letters or digits.", again=False)
        self.tag = tag
        self.directory = directory.absolute() / "ovn"
        self.external = external
        self.seat = seat or Alone()
        self.chassis = f"trivet-{tag}" if isinstance(self.seat, Alone) else self.seat.name
        self.bridge = f"{tag}-int"
        self.external_bridge = f"{tag}-ex"
        self._physical = dict(physical or {})
        self.alias = f"{masquerade.MARK}{tag}"
        self._datapath_device = f"{tag}-dp"
        self.database_socket = str(self.directory / "db.sock")
        self._daemons = daemons(self.directory, self.seat)
        underlay = underlay_of(self.seat)
        self._door = Door(f"{tag}-un", underlay) if underlay is not None else None
        self._turn = asyncio.Lock()
        self._silence_s = silence_s
        self._silent_since: dict[str, float] = {}

    async def up(self) -> None:
        """Start what does not run, adopt what does. Cheap when all is well, so it may be called on a timer."""
        lacks = missing()
        if lacks:
            raise DriverError("OVN cannot run here: " + "; ".join(lacks), again=False)
        async with self._turn:
            await self._end_the_silent()
            if not self._whole():
                await self._mend()

    def take_seat(self, seat: Seat) -> None:
        """The centre may have moved; the next `up` sees to it."""
        self.seat = seat
        self._daemons = daemons(self.directory, seat)

    def alive(self) -> dict[str, bool]:
        """Per daemon, whether it runs."""
        return {name: daemon.pid() is not None for name, daemon in self._daemons.items()}

    async def down(self) -> None:
        """Remove every trace: daemons, bridges, links, namespaces, files."""
        async with self._turn:
            await self._clear()

    def note_namespace(self, name: str, mine: bool) -> None:
        """Remember a namespace that we made, where `down` finds it also when the databases are lost."""
        mark = self.directory / "netns" / name
        if mine:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        else:
            mark.unlink(missing_ok=True)

    async def _end_the_silent(self) -> None:
        """A daemon that lives and has not answered for long is of no more use than a dead one, and holds its place."""
        living = [name for name, daemon in self._daemons.items() if daemon.pid() is not None]
        answers = await asyncio.gather(*(self._daemons[name].answers(_ANSWER_S) for name in living))
        now = asyncio.get_running_loop().time()
        silent = {name for name, answered in zip(living, answers, strict=True) if not answered}
        self._silent_since = {name: self._silent_since.get(name, now) for name in silent}
        for name, since in list(self._silent_since.items()):
            if now - since >= self._silence_s:
                _logger.warning("%s lives but has not answered for %.0f s: it is started again", name, now - since)
                await self._daemons[name].kill()
                del self._silent_since[name]

    async def _mend(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._daemons["ovsdb-server"].pid() is None:
            await prepare_databases(self.directory, self.seat)
            await self._daemons["ovsdb-server"].start()
        await self._vsctl("--no-wait", "init")
        datapath = await choose(self._daemons["ovs-vswitchd"].pid())
        await self._start_switch(datapath)
        if self._door is not None:
            await self._door.open(datapath)
        if isinstance(self.seat, Centre):
            await self._offer_southbound(self.seat)
        if "ovn-northd" in self._daemons:
            await self._daemons["ovn-northd"].start()
        await self._daemons["ovn-controller"].start()
        if self.external is not None:
            await self._open_external(self.external)
        if self._physical:
            await links.batch([f"link set dev {interface} up" for interface in self._physical.values()])
        (self.directory / "ready").write_text(self._generation())

    async def _clear(self) -> None:
        await self._daemons["ovn-controller"].stop()
        if "ovn-northd" in self._daemons:
            await self._daemons["ovn-northd"].stop()
        if SOUTHBOUND in self._daemons:
            await self._daemons[SOUTHBOUND].stop()
        for device in links.with_alias(self.alias):
            await links.delete(device)
        for namespace in self._namespaces():
            await links.delete_namespace(namespace)
        # --cleanup also takes away what a kernel datapath would keep without its daemon.
        await self._daemons["ovs-vswitchd"].stop("exit", "--cleanup")
        await self._daemons["ovsdb-server"].stop()
        for device in (self.bridge, self.external_bridge, *self._doors(), self._datapath_device):
            await links.delete(device)  # left over if the switch was killed
        if self._door is not None:
            await self._door.close()
        await masquerade.close(self.alias, self.directory)
        await asyncio.to_thread(shutil.rmtree, self.directory, True)

    def _namespaces(self) -> list[str]:
        with suppress(FileNotFoundError):
            return [mark.name for mark in (self.directory / "netns").iterdir()]
        return []

    def _whole(self) -> bool:
        bridges = [self.bridge, *([self.external_bridge] if self.external else []), *self._doors()]
        if self._door is not None and not self._door.is_open():
            return False
        ready = self.directory / "ready"
        if not all(self.alive().values()) or not all(map(links.exists, bridges)) or not ready.exists():
            return False
        # A switch that was started again by someone else than us has lost the bridge's address.
        return ready.read_text() == self._generation()

    def _generation(self) -> str:
        named = (self.bridge, self.external_bridge, *self._doors(), *self._physical.values())
        bridges = " ".join(f"{name}={links.index(name)}" for name in named)
        return f"{bridges} {self.external} {self.seat}"

    def _doors(self) -> dict[str, str]:
        """Bridge -> interface, of the further physical networks. A bridge's name has few letters, and theirs may have
        many."""
        return {
            f"{self.tag}-{hashlib.sha256(name.encode()).hexdigest()[:4]}": interface
            for name, interface in self._physical.items()
        }

    async def _start_switch(self, datapath: Datapath) -> None:
        lock = only_one_of_us()
        await asyncio.to_thread(lock.__enter__)
        try:
            if self._daemons["ovs-vswitchd"].pid() is None:
                await links.delete(self._datapath_device)
                if datapath == "netdev" and in_use(USERSPACE_DEVICE):
                    raise DriverError("Another Open vSwitch holds this host's user-space datapath.", again=False)
            await self._daemons["ovs-vswitchd"].start()
            await self._make_bridges(datapath)
            if datapath == "netdev" and not links.exists(self._datapath_device):
                await run("ip", "link", "set", USERSPACE_DEVICE, "name", self._datapath_device)
        finally:
            lock.__exit__(None, None, None)

    async def _make_bridges(self, datapath: Datapath) -> None:
        ids = {
            "system-id": self.chassis,
            "hostname": self.chassis,
            "ovn-remote": southbound_of(self.directory, self.seat),
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": self._door.underlay.ip if self._door is not None else "127.0.0.1",
            "ovn-bridge": self.bridge,
            "ovn-bridge-datapath-type": datapath,
            # A small cloud's host needs most of the southbound database; asking for parts costs time at each change.
            "ovn-monitor-all": "true",
        }
        mappings = [f"{name}:{bridge}" for name, bridge in zip(self._physical, self._doors(), strict=True)]
        if self.external is not None:
            mappings.append(f"{self.external.physical}:{self.external_bridge}")
        ids["ovn-bridge-mappings"] = ",".join(mappings)
        if self._physical:
            # An interface that went and came back is another one: its port is taken away first, in a step of its own.
            gone = [words for door in self._doors().items() for words in ("--", "--if-exists", "del-port", *door)]
            await self._vsctl("--timeout=20", *gone)
        command = ["set", "open", ".", *(f"external_ids:{name}={_quoted(value)}" for name, value in ids.items())]
        command += self._bridge(self.bridge, datapath, "fail_mode=secure")
        if self.external is not None:
            command += self._bridge(self.external_bridge, datapath, "fail_mode=standalone")
        for bridge, interface in self._doors().items():
            if not links.exists(interface):
                raise DriverError(f"The interface {interface} of a physical network is not on this host.", again=True)
            command += self._bridge(bridge, datapath, "fail_mode=standalone")
            command += ["--", "--may-exist", "add-port", bridge, interface]
        if self._door is not None:
            command += self._door.on_switch(datapath)
        await self._vsctl("--timeout=20", *command)

    async def _offer_southbound(self, seat: Centre) -> None:
        """To chassis elsewhere, which have TLS certificates from the cloud and the role that OVN knows for them."""
        await self._daemons[SOUTHBOUND].start()
        listening = f"pssl:{PORT}:{bracketed(seat.underlay.ip)}"
        await self._sbctl(seat, "init")
        if listening not in await self._sbctl(seat, "get-connection"):
            await self._sbctl(seat, "set-connection", "role=ovn-controller", listening)

    async def _sbctl(self, seat: Centre, *command: str) -> str:
        database = f"--db=unix:{southbound_socket(self.directory, seat)}"
        return await run("ovn-sbctl", database, "--timeout=20", *command, environment=environment(self.directory))

    def _bridge(self, name: str, datapath: Datapath, mode: str) -> list[str]:
        # A stable MAC: neighbours keep it in their caches while the switch restarts.
        mac = _quoted(made_mac(f"bridge/{name}"))
        settings = ["set", "bridge", name, f"datapath_type={datapath}", mode, f"other-config:hwaddr={mac}"]
        return ["--", "--may-exist", "add-br", name, "--", *settings]

    async def _open_external(self, external: External) -> None:
        device = self.external_bridge
        await links.batch([f"address replace {external.address} dev {device}", f"link set {device} up"])
        links.checksum_off(device)
        if external.masquerade:
            await masquerade.open_door(self.alias, self.directory, device, external.address)

    async def _vsctl(self, *command: str) -> None:
        socket = f"--db=unix:{self.database_socket}"
        await run("ovs-vsctl", socket, *command, environment=environment(self.directory))


def _quoted(value: str) -> str:
    return f'"{value}"'
