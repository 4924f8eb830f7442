"""From a machine's specification to podman's words. Pure."""

import io
import json
import math
import posixpath
import tarfile
from collections.abc import Collection
from pathlib import Path

from trivet.drivers.contracts import cpu_sets
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec
from trivet.drivers.podman.ranges import SIZE

NAME_PREFIX = "trivet-"
PROCESSES = 4096
CONSOLE_LOG_LIMIT = "1mb"
CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SYS_CHROOT",
)
"""What ordinary images need: to own files, change users, listen on low ports, ping. In its own namespaces only."""
NETWORK_ADMIN = "trivet:net_admin"
"""A flavor's extra spec: "true" lets a network function configure its own interfaces and routes."""


def name_of(id: str) -> str:
    return NAME_PREFIX + id


_KERNEL_NAME_MAX = 64


def create_arguments(
    spec: MachineSpec, image_id: str, folder: Path, base: int, *, quota: bool, shared: Collection[int] = ()
) -> list[str]:
    """For `podman create`, of a container whose root is `base` on the host. `shared`: on which CPUs it runs if it has
    none for itself; all, if there are none.

    Names and sizes come as --key=value, so that no value is taken for an option.
    """
    memory = f"{spec.memory_mib}m"
    return [
        "create",
        "--quiet",
        "--pull=never",
        f"--name={name_of(spec.id)}",
        f"--hostname={kernel_name(spec.hostname)}",
        # The cloud's resolver and hosts come as files or with the image; this host's are none of its business.
        *([f"--network=ns:/run/netns/{spec.netns}", "--dns=none"] if spec.netns else ["--network=none"]),
        "--no-hosts",
        f"--memory={memory}",
        f"--memory-swap={memory}",
        f"--cpus={spec.cpus or spec.vcpus:g}",
        *_places(spec, shared),
        f"--pids-limit={PROCESSES}",
        f"--uidmap=0:{base}:{SIZE}",
        f"--gidmap=0:{base}:{SIZE}",
        # Else the names of others' cgroups show in /proc.
        "--cgroupns=private",
        "--security-opt=no-new-privileges",
        "--cap-drop=all",
        *(f"--cap-add={name}" for name in CAPABILITIES),
        *(["--cap-add=NET_ADMIN"] if spec.properties.get(NETWORK_ADMIN) == "true" else []),
        # Data in a separate volume would be missing from snapshots.
        "--image-volume=ignore",
        # It would run by the host's timer, at whatever pace the image says.
        "--no-healthcheck",
        *([f"--storage-opt=size={spec.disk.size_gib}G"] if quota and spec.disk and spec.disk.size_gib else []),
        "--sdnotify=ignore",
        f"--conmon-pidfile={folder / 'conmon.pid'}",
        "--log-driver=k8s-file",
        f"--log-opt=path={folder / 'console.log'}",
        f"--log-opt=max-size={CONSOLE_LOG_LIMIT}",
        *(f"--env={key}={value}" for key, value in sorted(_environment(spec).items())),
        *([f"--entrypoint={json.dumps(spec.entrypoint)}"] if spec.entrypoint is not None else []),
        *([f"--workdir={spec.workdir}"] if spec.workdir else []),
        *(["--interactive"] if spec.stdin else []),
        *(["--tty"] if spec.tty else []),
        image_id,
        *spec.command,
    ]


def _places(spec: MachineSpec, shared: Collection[int]) -> list[str]:
    """CPUs and nodes of the host's memory."""
    inside = spec.topology
    cpus = inside.host_cpus if inside is not None and inside.nodes else shared
    words = [f"--cpuset-cpus={cpu_sets.written(cpus)}"] if cpus else []
    if inside is not None and inside.nodes:
        words.append(f"--cpuset-mems={cpu_sets.written(inside.host_nodes)}")
    return words


def kernel_name(hostname: str) -> str:
    """What `uname -n` says. The kernel keeps 64 characters, and a name may have 255: then the labels that fit."""
    if len(hostname) <= _KERNEL_NAME_MAX:
        return hostname
    fits = hostname[: _KERNEL_NAME_MAX + 1].rpartition(".")[0]
    return fits or hostname[:_KERNEL_NAME_MAX]


def stop_arguments(id: str, grace_s: float) -> list[str]:
    return ["stop", f"--time={max(0, math.ceil(grace_s))}", name_of(id)]


def files_tar(spec: MachineSpec) -> bytes:
    """The files to lay into the root file system, with a hosts file unless one is given.

    Only files, no folders: a folder in the tar would change the mode of the image's own.
    """
    names = dict.fromkeys((spec.hostname, spec.hostname.partition(".")[0], kernel_name(spec.hostname)))
    hosts = f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {' '.join(filter(None, names))}\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in sorted({"/etc/hosts": hosts.encode(), **spec.files}.items()):
            entry = tarfile.TarInfo(_inside(path))
            entry.size = len(content)
            entry.mode = 0o755 if content.startswith(b"#!") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _inside(path: str) -> str:
    if not path.startswith("/") or posixpath.normpath(path) != path or path.strip("/") != path[1:] or path == "/":
        raise DriverError(f"A file for the container has no plain absolute path: {path!r}.", again=False)
    return path[1:]


def _environment(spec: MachineSpec) -> dict[str, str]:
    for key, value in spec.environment.items():
        if not key or "=" in key or "\0" in key + value:
            raise DriverError(f"{key!r} cannot be the name of an environment variable.", again=False)
    return spec.environment
