"""Shelters: the user namespace that a container is root in and nowhere else, and the network namespace it owns.

A network namespace belongs to the user namespace that it was made in, for ever, and only there can its
container open a low port, send a ping or see its links in /sys. So both are made together, before the first
link is put in; the container joins both. Nothing pins the user namespace but the network namespace, which
knows its owner, so that all of it goes when that is deleted.
"""

import asyncio
import fcntl
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from trivet.drivers import programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.podman import ranges

NAMESPACES = Path("/run/netns")
_MOUNTS = Path("/proc/self/mountinfo")
_GET_OWNER = 0xB701
"""NS_GET_USERNS: of a namespace's descriptor, one of the user namespace that owns it."""
_HOSTS_SYS = r'{"destination":"/sys","type":"bind","source":"/sys","options":\[[^]]*\]}'
_OWN_SYS = (
    '{"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","noexec","nodev","ro"]},'
    '{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup",'
    '"options":["rprivate","nosuid","noexec","nodev","relatime","ro"]}'
)
_LOOPS = '{"allow":true,"type":"b","major":7,"access":"rw"}'
"""Of loop devices, by which it gets volumes, a container has those that it is given: it can make no node, nor use one
that it brought. podman gives a container with ids of its own no devices at all."""
_NO_MORE = "echo 0 > /proc/sys/user/max_user_namespaces"
"""In another one within, whoever made it would have every capability, and so more of the kernel to attack."""
_HOLD = "echo; read -r _; exit 0"


class Shelter(msgspec.Struct, frozen=True):
    base: int
    """The host's id of the container's root."""
    netns: str | None = None
    owner: int = 0
    """The number of the user namespace that the network namespace was made in."""


class Shelters:
    def __init__(self, folder: Callable[[str], Path]) -> None:
        self._folder = folder

    async def base(self, id: str) -> int:
        """Of the range that is the container's, claimed if it had none or has lost it. Its folder must be there."""
        return (await asyncio.to_thread(self._claimed, id)).base

    async def owner(self, id: str) -> int:
        """The number of the user namespace that it has; 0: none."""
        shelter = await asyncio.to_thread(self._read, id)
        return shelter.owner if shelter is not None else 0

    async def make(self, id: str, netns: str) -> bool:
        """False if it is there already."""
        shelter = await asyncio.to_thread(self._claimed, id)
        if shelter.netns == netns and shelter.owner == _owner(netns):
            return False
        await _delete(netns)
        owner = await asyncio.to_thread(_make, shelter.base, netns)
        self._write(id, Shelter(shelter.base, netns, owner))
        return True

    async def unmake(self, id: str) -> None:
        shelter = self._read(id)
        if shelter is not None:
            if shelter.netns is not None and shelter.owner == _owner(shelter.netns):
                await _delete(shelter.netns)
            await asyncio.to_thread(ranges.release, shelter.base, self._folder(id))

    @asynccontextmanager
    async def joined(self, id: str, netns: str | None) -> AsyncIterator[str]:
        """The folder of hooks for podman, with which a container that starts meanwhile joins its user namespace.

        podman can give a container ids of its own or let it join a namespace, and here both are wanted. So the
        second is written into what it tells runc, by a hook, at the last moment. Naming a folder, empty or not,
        also keeps out the hooks that the host may have: an image could call for those by its annotations.
        """
        hooks = self._folder(id) / "hooks"
        hooks.mkdir(exist_ok=True)
        if netns is None:
            (hooks / "join.json").unlink(missing_ok=True)
            yield str(hooks)
            return
        shelter = self._read(id)
        fd = _open_owner(netns)
        if fd is None or shelter is None or os.fstat(fd).st_ino != shelter.owner:
            if fd is not None:
                os.close(fd)
            raise DriverError("The container's network is not ready on the host.", again=True)
        try:
            (hooks / "join.json").write_bytes(_joining(f"/proc/{os.getpid()}/fd/{fd}"))
            yield str(hooks)
        finally:
            os.close(fd)

    def _claimed(self, id: str) -> Shelter:
        shelter, folder = self._read(id), self._folder(id)
        if shelter is None or not ranges.keep(shelter.base, folder):
            shelter = Shelter(ranges.claim(folder))
            self._write(id, shelter)
        return shelter

    def _read(self, id: str) -> Shelter | None:
        try:
            return msgspec.json.decode((self._folder(id) / "shelter.json").read_bytes(), type=Shelter)
        except (FileNotFoundError, msgspec.DecodeError):
            return None  # or the host went down while it was written

    def _write(self, id: str, shelter: Shelter) -> None:
        path = self._folder(id) / "shelter.json"
        part = path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(shelter))
        part.replace(path)


def _make(base: int, netns: str) -> int:
    """A process makes both namespaces and waits, while we say whose ids they have and give the second one a name."""
    _make_namespaces_shared()
    path = NAMESPACES / netns
    with subprocess.Popen(
        ("unshare", "--user", "--net", "sh", "-c", _HOLD),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as holder:
        assert holder.stdout is not None
        if not holder.stdout.readline():
            raise DriverError("This host gives containers no user namespaces.", again=True)
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{holder.pid}/{kind}").write_text(f"0 {base} {ranges.SIZE}\n")
        _run("nsenter", f"--target={holder.pid}", "--user", "sh", "-c", _NO_MORE)
        path.touch(mode=0o444)
        _run("mount", "--bind", f"/proc/{holder.pid}/ns/net", str(path))
        return Path(f"/proc/{holder.pid}/ns/user").stat().st_ino


def _make_namespaces_shared() -> None:
    """As `ip netns` does before it makes its first one; if it came later it would hide ours."""
    NAMESPACES.mkdir(parents=True, exist_ok=True)
    # Bound to itself it looks like no mount point, but for this list.
    places = (line.split()[4] for line in _MOUNTS.read_text().splitlines())
    if str(NAMESPACES) not in places:
        _run("mount", "--bind", str(NAMESPACES), str(NAMESPACES))
        _run("mount", "--make-shared", str(NAMESPACES))


def _run(*words: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True)
    if done.returncode != 0:
        raise DriverError("A network namespace could not be made.", again=True)


async def _delete(netns: str) -> None:
    """With its links first: those that go with a namespace go when the kernel finds time."""
    if not (NAMESPACES / netns).exists():
        return
    listed = await programs.run(("ip", "-n", netns, "-json", "link", "show", "type", "veth"))
    if listed.code == 0:
        for link in msgspec.json.decode(listed.out or b"[]"):
            if name := link.get("ifname"):
                await programs.run(("ip", "-n", netns, "link", "delete", name))
    done = await programs.run(("ip", "netns", "delete", netns))
    if done.code != 0 and (NAMESPACES / netns).exists():
        raise DriverError("A network namespace could not be removed.", again=True)


def _owner(netns: str) -> int | None:
    fd = _open_owner(netns)
    if fd is None:
        return None
    try:
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


def _open_owner(netns: str) -> int | None:
    """A descriptor of the user namespace; None where there is no such network namespace (any more)."""
    try:
        with (NAMESPACES / netns).open() as file:
            return fcntl.ioctl(file.fileno(), _GET_OWNER)
    except OSError:
        return None


def _joining(path: str) -> bytes:
    """In a text of JSON these places are unmistakable: within any string, the quotation marks would be escaped.

    podman thinks that the network namespace is not the container's, and would show it the host's /sys.
    """
    user = rf's#{{"type":"user"}}#{{"type":"user","path":"{path}"}}#'
    among = rf's#"resources":{{"devices":\[#&{_LOOPS},#;t;s#"resources":{{#&"devices":[{_LOOPS}],#'
    # The last of them, because it leaves when it has found its place.
    words = ["sed", "-e", user, "-e", rf"s#{_HOSTS_SYS}#{_OWN_SYS}#", "-e", f"t next;:next;{among}"]
    hook = {"path": shutil.which("sed") or "/bin/sed", "args": words}
    return msgspec.json.encode(
        {"version": "1.0.0", "hook": hook, "when": {"always": True}, "stages": ["precreate"]},
    )
