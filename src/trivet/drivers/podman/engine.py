"""Running podman, with a store of its own so that it meets no other podman's containers on this host.

podman tells a rebooted host by its run-time folder having vanished with /run. Ours lives beside the
store and stays, so we note the boot and empty the folder ourselves when that has changed. It also wants
that folder's name short; a long one goes by a symbolic link.
"""

import asyncio
import hashlib
import logging
import os
import resource
import shutil
from pathlib import Path
from typing import BinaryIO

from trivet.drivers import programs
from trivet.drivers.boots import this_boot
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.programs import Bounds, Ended

log = logging.getLogger(__name__)

PROGRAMS = ("podman", "runc", "conmon", "ip", "mount", "unshare", "nsenter", "sed")
_MOST_NAMESPACES = Path("/proc/sys/user/max_user_namespaces")
HIGHEST_PROCESSES = 32768
"""podman lowers its own hard limit to this, and a container cannot be given more than podman has."""
HIGHEST_FILES = 1048576
LONGEST_RUN_FOLDER = 50
LINKS = Path("/run/trivet")
LONGEST_ANSWER = 4 * 1024 * 1024
"""A line of some hundred bytes for each container is the longest that we ask for."""
LONGEST_COMPLAINT = 16 * 1024
"""A tenant's words may be in it."""
KILLED = 137
"""The exit code of what was killed."""
RUNC_STATE = Path("/run/runc")


def missing() -> list[str]:
    """What keeps containers from running here, in words for an operator; nothing if they can."""
    lacks = [f"the program {name}" for name in PROGRAMS if shutil.which(name) is None]
    if os.geteuid() != 0:
        lacks.append("the rights of root")
    if not _MOST_NAMESPACES.exists() or int(_MOST_NAMESPACES.read_text()) == 0:
        lacks.append("user namespaces (a kernel that has them, and sysctl user.max_user_namespaces above 0)")
    return lacks


class EngineRefused(Exception):
    """podman's own words, which are for the log: they name paths of the host."""


class Engine:
    """The command line `podman`, bound to one folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._run = directory / "run"
        self._run_by_name = _short(self._run)
        self._ready = False
        self._making_ready = asyncio.Lock()

    async def run(self, *arguments: str, stdin: bytes = b"") -> str:
        """What it printed. Cancelling kills it, and leaves whatever it had half done."""
        # Files in memory and not pipes: conmon outlives the podman that started it, and a pipe that it
        # inherited would never end.
        with _memory(stdin) as given, _memory() as printed, _memory() as complaint:
            words = ("podman", *self._globals(), *arguments)
            process = await self._spawn(words, given.fileno(), printed.fileno(), complaint.fileno())
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                process.kill()
                await process.wait()
                raise
            if code != 0:
                raise EngineRefused(_text(complaint, LONGEST_COMPLAINT).strip())
            return _text(printed)

    def words(self, *arguments: str) -> tuple[str, ...]:
        """podman with these, for `bounded`."""
        return ("podman", *self._globals(), *arguments)

    async def bounded(self, words: tuple[str, ...], bounds: Bounds, given: bytes | None = None) -> Ended:
        """A program that a tenant chose, or that reads what he wrote; of those that leave nothing behind."""
        await self._prepared()
        try:
            return await programs.run(
                words, bounds=bounds, given=given, environment=self._environment(), directory=self._run
            )
        except FileNotFoundError as e:
            raise DriverError("This host has no container engine any more.", again=True) from e

    def scratch(self, name: str) -> Path:
        return self._run / "tmp" / name

    async def attach(self, name: str, terminal: int) -> asyncio.subprocess.Process:
        """To what the container's own program reads and writes, on a terminal of ours."""
        words = self.words("attach", "--sig-proxy=false", "--detach-keys=", name)
        return await self._spawn(words, terminal, terminal, terminal)

    async def limit(self, container_id: str, *, memory_bytes: int, cpus: float) -> None:
        """Until it is started again: podman does not know of it."""
        period = 100_000
        words = (
            "runc", "update", f"--memory={memory_bytes}", f"--memory-swap={memory_bytes}", f"--cpu-period={period}",
            f"--cpu-quota={round(cpus * period)}", container_id,
        )  # fmt: skip
        ended = await self.bounded(words, Bounds(seconds=30, output_bytes=LONGEST_COMPLAINT))
        if ended.code:
            raise EngineRefused(ended.err.decode(errors="replace"))

    async def enter(self, container_id: str, terminal: int, *command: str) -> asyncio.subprocess.Process:
        """Another program in a running container, on a terminal of ours.

        By runc itself: what it is sent it passes on, while `podman exec` leaves the program running.
        """
        words = ("runc", "exec", "--tty", container_id, *command)
        return await self._spawn(words, terminal, terminal, terminal)

    async def forget(self, container_id: str) -> None:
        """What runc remembers of a container whose conmon was killed, and podman does not see; its processes first."""
        if (RUNC_STATE / container_id).exists():
            nothing = asyncio.subprocess.DEVNULL
            words = ("runc", "delete", "--force", container_id)
            await (await self._spawn(words, nothing, nothing, nothing)).wait()

    async def clean(self) -> None:
        """What a pull that was cut short had laid out."""
        await asyncio.to_thread(self._empty_temporary)
        await self.run("image", "prune", "--all", "--force")

    def _empty_temporary(self) -> None:
        shutil.rmtree(self._run / "tmp", ignore_errors=True)
        (self._run / "tmp").mkdir(parents=True)

    async def end(self, container_id: str) -> None:
        """By force, where podman cannot: every process of it, and then a word to podman as its conmon would have left.

        Without that word podman keeps a container whose conmon was killed as running or stopping for ever.
        """
        await self.forget(container_id)
        said = self._run / "libpod" / "exits" / container_id
        await asyncio.to_thread(said.write_text, str(KILLED))

    async def _spawn(self, words: tuple[str, ...], stdin: int, stdout: int, stderr: int) -> asyncio.subprocess.Process:
        await self._prepared()
        try:
            # A session of its own: Ctrl-C at our terminal is for us, not for a verb half way through.
            return await asyncio.create_subprocess_exec(
                *words,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=self._environment(),
                # conmon leaves a file named oom where it was started, when memory ran out.
                cwd=self._run,
                start_new_session=True,
            )
        except FileNotFoundError as e:
            raise DriverError("This host has no container engine any more.", again=True) from e

    async def _prepared(self) -> None:
        async with self._making_ready:
            if not self._ready:
                await asyncio.to_thread(self._make_ready)
                self._ready = True

    def _globals(self) -> tuple[str, ...]:
        return (
            f"--root={self.directory / 'store'}",
            f"--runroot={self._run_by_name}",
            f"--tmpdir={self._run_by_name / 'libpod'}",
            # Without this the store is a mount point, which outlives us and cannot be deleted.
            "--storage-opt=overlay.skip_mount_home=true",
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.directory),
            "TMPDIR": str(self._run / "tmp"),
            "CONTAINERS_CONF": str(self.directory / "containers.conf"),
        }

    def _make_ready(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        boot = this_boot()
        noted = self.directory / "boot_id"
        if not noted.exists() or noted.read_text() != boot:
            shutil.rmtree(self._run, ignore_errors=True)
            noted.write_text(boot)
        # What a load that was cut short had unpacked.
        self._empty_temporary()
        if self._run_by_name != self._run:
            LINKS.mkdir(exist_ok=True, mode=0o700)
            self._run_by_name.unlink(missing_ok=True)
            self._run_by_name.symlink_to(self._run)
        (self.directory / "containers.conf").write_text(configuration())


def configuration() -> str:
    """runc, because crun refuses hosts with both cgroup versions; no events, because nobody reads them.

    Locks are files: podman's usual ones sit in one shared memory segment for the whole host.
    """
    files = _at_most(resource.RLIMIT_NOFILE, HIGHEST_FILES)
    processes = _at_most(resource.RLIMIT_NPROC, HIGHEST_PROCESSES)
    return f"""[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "runc"
"""


def _memory(content: bytes = b"") -> BinaryIO:
    file = os.fdopen(os.memfd_create("podman"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _text(file: BinaryIO, most: int = LONGEST_ANSWER) -> str:
    file.seek(0)
    return file.read(most).decode(errors="replace")


def _short(folder: Path) -> Path:
    if len(os.fsencode(folder)) <= LONGEST_RUN_FOLDER:
        return folder
    return LINKS / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def _at_most(limit: int, highest: int) -> int:
    _, hard = resource.getrlimit(limit)
    return highest if hard == resource.RLIM_INFINITY else min(highest, hard)
