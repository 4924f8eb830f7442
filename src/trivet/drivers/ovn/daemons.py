"""The daemons of OVN on one host, each known by its pid file.

Which there are depends on the host's seat. Alone, one ovsdb-server serves all three databases (OVS, northbound,
southbound) on one socket. Where other hosts come for the southbound database it has a server of its own: what a server
offers to others it offers with all of its databases, and only the southbound one knows roles.

The daemons are not our children: they outlive us on purpose, so that traffic flows while Trivet restarts, and are
adopted again.
"""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import msgspec

from trivet.drivers.ovn.commands import attempt, run
from trivet.drivers.ovn.seats import Alone, Centre, Chassis, Seat

SCHEMAS = {
    "conf": Path("/usr/share/openvswitch/vswitch.ovsschema"),
    "nb": Path("/usr/share/ovn/ovn-nb.ovsschema"),
    "sb": Path("/usr/share/ovn/ovn-sb.ovsschema"),
}
SOUTHBOUND = "ovsdb-southbound"
"""The server of the southbound database, where it has one of its own."""
_LOG_LIMIT_BYTES = 16 * 2**20
_STOP_S = 10.0
_SAYS_BYTES = 4096


class Daemon(msgspec.Struct, frozen=True):
    """One daemon; `arguments` without those that all have alike."""

    program: str
    directory: Path
    arguments: tuple[str, ...]
    control: bool = True
    """ovn-controller has no --unixctl and names its control socket itself."""
    alias: str = ""
    """Where a host has two of a program."""

    @property
    def name(self) -> str:
        return self.alias or self.program

    @property
    def control_socket(self) -> Path:
        return self.directory / f"{self.name}.ctl"

    @property
    def pid_file(self) -> Path:
        return self.directory / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        return self.directory / f"{self.name}.log"

    def pid(self) -> int | None:
        """Its process, if it lives; a pid that by now belongs to another program does not count."""
        try:
            pid = int(self.pid_file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if f"--pidfile={self.pid_file}".encode() in words else None

    async def answers(self, within_s: float) -> bool:
        """Asked on its control socket. One that was stopped where it is, or turns in circles, still has its pid."""
        pid = self.pid()
        socket = self.control_socket if self.control else self.directory / f"{self.program}.{pid}.ctl"
        try:
            async with asyncio.timeout(within_s):
                reader, writer = await asyncio.open_unix_connection(str(socket))
                try:
                    writer.write(b'{"method":"version","params":[],"id":0}')
                    return bool(await reader.read(_SAYS_BYTES))
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    async def kill(self) -> None:
        pid = self.pid()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            await self._gone(_STOP_S)

    async def start(self) -> None:
        """Returns when it serves: --detach comes back once the daemon has set itself up."""
        if self.pid() is not None:
            return
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        control = (f"--unixctl={self.control_socket}",) if self.control else ()
        await run(
            self.program,
            *self.arguments,
            *control,
            f"--pidfile={self.pid_file}",
            f"--log-file={self.log_file}",
            "-vconsole:off",
            "--detach",
            environment=environment(self.directory),
        )

    async def stop(self, *farewell: str) -> None:
        """Ask it with `farewell` on its control socket, or by SIGTERM; in the end, kill it."""
        pid = self.pid()
        if pid is None:
            return
        if farewell:
            await attempt("ovs-appctl", "-T", "5", "-t", str(self.control_socket), *farewell)
        else:
            os.kill(pid, signal.SIGTERM)
        if not await self._gone(_STOP_S):
            await self.kill()

    async def _gone(self, within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.pid() is not None:
                    await asyncio.sleep(0.02)
        return self.pid() is None


def environment(directory: Path) -> dict[str, str]:
    """Keeps every file of theirs in our directory, whatever the system's own OVS does."""
    ours = {name: str(directory) for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVN_RUNDIR", "OVN_LOGDIR")}
    return {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), **ours}


def southbound_socket(directory: Path, seat: Seat) -> str:
    """For who is on this host; a chassis has none."""
    return str(directory / ("sb.sock" if isinstance(seat, Centre) else "db.sock"))


def southbound_of(directory: Path, seat: Seat) -> str:
    """Where this host's controller finds it."""
    return seat.southbound if isinstance(seat, Chassis) else f"unix:{southbound_socket(directory, seat)}"


def daemons(directory: Path, seat: Seat) -> dict[str, Daemon]:
    """The daemons in the order in which they start."""
    switch = f"unix:{directory}/db.sock"
    southbound = southbound_of(directory, seat)
    northd = Daemon("ovn-northd", directory, (f"--ovnnb-db={switch}", f"--ovnsb-db={southbound}"))
    keys = seat.keys.flags() if isinstance(seat, Chassis) else ()
    local = [
        Daemon("ovs-vswitchd", directory, (switch,)),
        Daemon("ovn-controller", directory, (switch, *keys), control=False),
    ]
    match seat:
        case Alone():
            every = [_server(directory, ("conf", "nb", "sb"), switch), local[0], northd, local[1]]
        case Centre():
            offered = ("--remote=db:OVN_Southbound,SB_Global,connections", *seat.keys.flags())
            server = _server(directory, ("sb",), southbound, offered, alias=SOUTHBOUND)
            every = [_server(directory, ("conf", "nb"), switch), server, local[0], northd, local[1]]
        case Chassis():
            every = [_server(directory, ("conf",), switch), *local]
    return {daemon.name: daemon for daemon in every}


def _server(
    directory: Path, names: tuple[str, ...], socket: str, more: tuple[str, ...] = (), alias: str = ""
) -> Daemon:
    files = (str(directory / f"{name}.db") for name in names)
    return Daemon("ovsdb-server", directory, (*files, f"--remote=p{socket}", *more), alias=alias)


async def prepare_databases(directory: Path, seat: Seat) -> None:
    """Make what is missing; convert what an older OVS or OVN left."""
    for name, schema in SCHEMAS.items():
        file = directory / f"{name}.db"
        if isinstance(seat, Chassis) and name != "conf":
            continue
        if not file.exists():
            await run("ovsdb-tool", "create", str(file), str(schema))
        elif (await run("ovsdb-tool", "needs-conversion", str(file), str(schema))).strip() == "yes":
            await run("ovsdb-tool", "convert", str(file), str(schema))


def missing_programs(programs: dict[str, str]) -> list[str]:
    """`programs` maps a program to the Debian package that has it."""
    path = [*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/sbin"]
    return [
        f"{program} is not installed (Debian package {package})"
        for program, package in programs.items()
        if not any(os.access(Path(place or ".") / program, os.X_OK) for place in path)
    ]
