"""The four daemons of OVN on one host, each known by its pid file.

One ovsdb-server serves all three databases (OVS, northbound, southbound) on one socket. The daemons are not
our children: they outlive us on purpose, so that traffic flows while Trivet restarts, and are adopted again.
"""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import msgspec

from trivet.drivers.ovn.commands import attempt, run

SCHEMAS = {
    "conf": Path("/usr/share/openvswitch/vswitch.ovsschema"),
    "nb": Path("/usr/share/ovn/ovn-nb.ovsschema"),
    "sb": Path("/usr/share/ovn/ovn-sb.ovsschema"),
}
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

    @property
    def control_socket(self) -> Path:
        return self.directory / f"{self.program}.ctl"

    @property
    def pid_file(self) -> Path:
        return self.directory / f"{self.program}.pid"

    @property
    def log_file(self) -> Path:
        return self.directory / f"{self.program}.log"

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


def daemons(directory: Path) -> dict[str, Daemon]:
    """In the order in which they start."""
    socket = f"unix:{directory}/db.sock"
    databases = tuple(str(directory / f"{name}.db") for name in SCHEMAS)
    every = (
        Daemon("ovsdb-server", directory, (*databases, f"--remote=p{socket}")),
        Daemon("ovs-vswitchd", directory, (socket,)),
        Daemon("ovn-northd", directory, (f"--ovnnb-db={socket}", f"--ovnsb-db={socket}")),
        Daemon("ovn-controller", directory, (socket,), control=False),
    )
    return {daemon.program: daemon for daemon in every}


async def prepare_databases(directory: Path) -> None:
    """Make what is missing; convert what an older OVS or OVN left."""
    for name, schema in SCHEMAS.items():
        file = directory / f"{name}.db"
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
