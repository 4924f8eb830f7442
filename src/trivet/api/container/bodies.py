"""What clients send about a container, and what that means in our words. Everything in it is bounded."""

import binascii
import posixpath
import shlex
from base64 import b64decode
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.container.said import flag, operator_only
from trivet.api.kit.bodies import Body, Name, Since, Text
from trivet.api.kit.request import Request, encode
from trivet.domain.numbers import whole_number
from trivet.domain.servers.containers.asking import COMMAND_MAX
from trivet.domain.servers.containers.create import ContainerCreate, MountWanted, NetWanted
from trivet.drivers.contracts.container import HealthCheck, Program, Restart
from trivet.errors import Forbidden, Invalid

PAIRS_MAX = 128
_VALUE_MAX = 8 << 10
_WORDS_MAX = 64 << 10
"""Of labels, of environments, of hints: bytes, all together."""
_FILES_MAX = 16
_MOUNTS_MAX = 32
_NETS_MAX = 16
_PORTS_MAX = 64
_COMMAND_LIST = 1020
_TTY_APART = 1036

ContainerName = Annotated[str, msgspec.Meta(min_length=2, max_length=255, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]+\Z")]
ImageName = Annotated[str, msgspec.Meta(min_length=2, max_length=255)]
Hostname = Annotated[str, msgspec.Meta(min_length=1, max_length=63, pattern=r"^[a-zA-Z0-9._-]*\Z")]
Cpu = Annotated[float, msgspec.Meta(ge=0.1, le=16)]
Memory = Annotated[int, msgspec.Meta(ge=4, le=8192)]
DiskGib = Annotated[int, msgspec.Meta(ge=1, le=160)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=86400)]
Path = Annotated[str, msgspec.Meta(max_length=4096)]
Flag = bool | str | None
HEALTH_LEAST_S = 10
"""To begin a command in a container costs its host some hundredths of a second, which are not the container's."""
CPU, MEMORY, DISK = 1.0, 512, 10
"""Where nobody says."""


class Net(Body, frozen=True, kw_only=True):
    network: Name | UnsetType = UNSET
    port: Name | UnsetType = UNSET
    v4: Text | UnsetType = msgspec.field(default=UNSET, name="v4-fixed-ip")
    v6: Text | UnsetType = msgspec.field(default=UNSET, name="v6-fixed-ip")


class Mount(Body, frozen=True, kw_only=True):
    destination: Path
    source: str | UnsetType = UNSET
    size: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] | UnsetType = UNSET
    type: Literal["volume", "bind"] = "volume"


class RestartPolicy(Body, frozen=True, kw_only=True):
    Name: Literal["no", "always", "on-failure", "unless-stopped"]
    MaximumRetryCount: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None


class Health(Body, frozen=True, kw_only=True):
    cmd: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    interval: Seconds | None = None
    retries: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    timeout: Seconds | None = None


class NewContainer(Body, frozen=True, kw_only=True):
    image: ImageName
    name: ContainerName | None = None
    command: list[str] | str | None = None
    cpu: Cpu | None = None
    cpu_policy: Literal["dedicated", "shared"] | None = None
    memory: Memory | None = None
    disk: DiskGib | None = None
    workdir: Path | None = None
    image_pull_policy: Literal["never", "always", "ifnotpresent", "Never", "Always", "IfNotPresent"] | None = None
    labels: dict[str, Any] | None = None
    environment: dict[str, str] | None = None
    restart_policy: RestartPolicy | None = None
    interactive: Flag = None
    tty: Flag = None
    image_driver: Literal["docker", "glance", "None"] | None = None
    security_groups: Annotated[list[Name], msgspec.Meta(max_length=32)] | None = None
    hints: dict[str, Any] | None = None
    nets: Annotated[list[Net] | UnsetType | None, Since("1.2")] = UNSET
    availability_zone: Name | None = None
    auto_heal: Flag = None
    auto_remove: Annotated[bool | UnsetType | None, Since("1.3")] = UNSET
    runtime: Annotated[str | UnsetType | None, Since("1.5")] = UNSET
    hostname: Annotated[Hostname | UnsetType | None, Since("1.9")] = UNSET
    mounts: Annotated[list[Mount] | UnsetType | None, Since("1.11")] = UNSET
    privileged: Annotated[Flag | UnsetType, Since("1.21")] = UNSET
    healthcheck: Annotated[Health | UnsetType | None, Since("1.22")] = UNSET
    exposed_ports: Annotated[dict[str, Any] | UnsetType | None, Since("1.24")] = UNSET
    registry: Annotated[str | UnsetType | None, Since("1.31")] = UNSET
    host: Annotated[Name | UnsetType | None, Since("1.39")] = UNSET
    entrypoint: Annotated[list[str] | UnsetType | None, Since("1.40")] = UNSET


def wanted(request: Request, *, run: bool) -> ContainerCreate:
    said = request.read(NewContainer, strict=False)
    _check_rights(request, said)
    if said.security_groups and said.exposed_ports:
        raise Invalid("body.invalid", "security_groups and exposed_ports cannot be used together.")
    restart, most = _restart(said.restart_policy)
    stdin = flag(said.interactive, "interactive", otherwise=False)
    tty = flag(said.tty, "tty", otherwise=False)
    if _COMMAND_LIST <= request.version < _TTY_APART:
        tty = stdin
    program = Program(
        command=_command(request, said.command),
        entrypoint=None if not said.entrypoint else _words("entrypoint", said.entrypoint),
        environment=_environment(said.environment),
        workdir=_workdir(said.workdir),
        restart=restart,
        restarts_most=most,
        stdin=stdin,
        tty=tty,
        health=_health(said.healthcheck or None),
    )
    policy = said.restart_policy
    return ContainerCreate(
        name=said.name or random_name(request),
        image=said.image,
        image_driver=said.image_driver if said.image_driver in ("docker", "glance") else "docker",
        program=program,
        restart_policy=None if policy is None else {"Name": policy.Name, "MaximumRetryCount": str(most)},
        cpus=CPU if said.cpu is None else said.cpu,
        memory_mib=MEMORY if said.memory is None else said.memory,
        disk_gib=DISK if said.disk is None else said.disk,
        run=run,
        image_pull_policy=said.image_pull_policy,
        labels=labels_of(said.labels),
        nets=tuple(_net(net) for net in _few("nets", said.nets or [], _NETS_MAX)),
        mounts=tuple(_mount(mount) for mount in _few("mounts", said.mounts or [], _MOUNTS_MAX)),
        security_groups=tuple(dict.fromkeys(said.security_groups)) if said.security_groups else None,
        exposed_ports=exposed(said.exposed_ports or {}),
        hostname=said.hostname or None,
        zone=said.availability_zone,
        host=said.host or None,
        hints=_short("hints", said.hints or {}),
        auto_remove=said.auto_remove is True,
        auto_heal=flag(said.auto_heal, "auto_heal", otherwise=False),
        runtime=said.runtime or None,
        cpu_policy=said.cpu_policy,
    )


def _check_rights(request: Request, said: NewContainer) -> None:
    if said.runtime:
        operator_only(request, "container:create:runtime")
        if said.runtime != "runc":
            raise Invalid("container.runtime", "The only runtime of containers here is runc.")
    if said.privileged is not UNSET and flag(said.privileged, "privileged", otherwise=False):
        raise Forbidden("policy.forbidden", "Policy doesn't allow container:create:privileged to be performed.")
    if said.host:
        operator_only(request, "container:create:requested_destination")
    if said.image_pull_policy:
        operator_only(request, "container:create:image_pull_policy")
    if said.registry:
        raise Invalid(
            "container.registry", "This cloud keeps no accounts at other registries; push the image to its own."
        )
    if said.cpu_policy == "dedicated":
        raise Invalid(
            "container.cpu_policy", "No host here gives a container processors of its own; leave cpu_policy out."
        )


def random_name(request: Request) -> str:
    greek = ("alpha", "beta", "gamma", "delta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "omicron",
             "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega")  # fmt: skip
    ids = request.parts.ids
    return f"{greek[ids.choice_below(len(greek))]}-{1 + ids.choice_below(24)}-container"


def labels_of(said: Mapping[str, Any] | None) -> dict[str, str]:
    return _short("labels", {str(key)[:256]: str(value)[:_VALUE_MAX] for key, value in (said or {}).items()})


def _environment(said: dict[str, str] | None) -> dict[str, str]:
    for key, value in (said or {}).items():
        if not key or "=" in key or "\0" in key + value or len(key) > 255 or len(value) > _VALUE_MAX:
            raise Invalid(
                "container.environment",
                f"An environment variable has a name of at most 255 characters without '=', and a value of at most "
                f"{_VALUE_MAX}, both without NUL: {key[:64]!r} has not.",
            )
    return _short("environment", said or {})


def _short(name: str, pairs: dict[str, Any]) -> dict[str, Any]:
    if len(pairs) > PAIRS_MAX or len(encode(pairs)) > _WORDS_MAX:
        raise Invalid("body.too_long", f"{name} may hold at most {PAIRS_MAX} pairs and {_WORDS_MAX} bytes.")
    return pairs


def _few(name: str, found: list[Any], most: int) -> list[Any]:
    if len(found) > most:
        raise Invalid("body.too_long", f"{name} may have at most {most} entries.")
    return found


def _command(request: Request, said: list[str] | str | None) -> tuple[str, ...]:
    if said is None:
        return ()
    listed = isinstance(said, list)
    if listed != (request.version >= _COMMAND_LIST):
        raise Invalid(
            "body.invalid", f"Invalid input for field 'command': it is {'a list' if not listed else 'text'} here."
        )
    if isinstance(said, str):
        try:
            said = shlex.split(said)
        except ValueError as error:
            raise Invalid("body.invalid", f"The command cannot be split into words: {error}.") from error
    return _words("command", said)


def _words(name: str, said: list[str]) -> tuple[str, ...]:
    if sum(len(word) + 1 for word in said) > COMMAND_MAX or any("\0" in word for word in said):
        raise Invalid("container.command", f"The {name} has at most {COMMAND_MAX} characters, and no NUL.")
    return tuple(said)


def _workdir(said: str | None) -> str | None:
    if said and (not said.startswith("/") or "\0" in said):
        raise Invalid("container.workdir", "workdir is an absolute path.")
    return said or None


def _restart(said: RestartPolicy | None) -> tuple[Restart, int]:
    if said is None or said.Name == "no":
        return "no", 0
    most = said.MaximumRetryCount or 0
    if said.Name == "on-failure":
        return "on-failure", most
    if most:
        raise Invalid("container.restart", f"maximum retry count not valid with restart policy of {said.Name}")
    return "always", 0


def _health(said: Health | None) -> HealthCheck | None:
    if said is None:
        return None
    return HealthCheck(
        command=said.cmd,
        every_s=max(said.interval or 30, HEALTH_LEAST_S),
        within_s=max(said.timeout or 30, 1),
        failures=max(said.retries or 3, 1),
    )


def exposed(said: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    if len(said) > _PORTS_MAX:
        raise Invalid("body.too_long", f"exposed_ports may have at most {_PORTS_MAX} entries.")
    found = {}
    for key in said:
        text, slash, protocol = key.partition("/")
        number = whole_number(text)
        if slash and protocol not in ("tcp", "udp"):
            raise Invalid("container.ports", f"value {protocol[:32]} is an invalid protocol")
        if number is None or not 0 < number < 1 << 16:
            raise Invalid("container.ports", f"value {text[:32]} is invalid as publish port.")
        found[f"{number}/{protocol or 'tcp'}"] = dict[str, str]()
    return found


def _net(said: Net) -> NetWanted:
    if (said.network is UNSET) == (said.port is UNSET):
        raise Invalid("body.invalid", "Each of nets names either a network or a port.")
    if said.port is not UNSET:
        return NetWanted(port=said.port)
    address = said.v4 or said.v6 or None
    if address is not None:
        address = checked_ip(address)
    return NetWanted(network=said.network or None, fixed_ip=address)


def checked_ip(said: str) -> str:
    try:
        return str(ip_address(said))
    except ValueError as error:
        raise Invalid("body.invalid", f"{said[:64]!r} is no address.") from error


def _mount(said: Mount) -> MountWanted:
    if said.type == "bind":
        return MountWanted(destination=_plain(said.destination), content=_content(said.source))
    if said.source:
        return MountWanted(destination=said.destination, volume=said.source[:255])
    if said.size is UNSET:
        raise Invalid("body.invalid", "Each of mounts has a source or a size.")
    return MountWanted(destination=said.destination, size_gib=said.size)


def _plain(path: str) -> str:
    if not path.startswith("/") or posixpath.normpath(path) != path or path == "/" or "\0" in path:
        raise Invalid("container.mounts", f"A file is laid at a plain absolute path, not at {path[:64]!r}.")
    return path


def _content(source: str | UnsetType) -> str:
    """Of a file that is laid into the container. No path of a host is meant by any of this."""
    try:
        b64decode(source or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(
            "container.mounts", "The source of a bind mount is the content of its file, in base64."
        ) from error
    return source or ""


class Change(Body, frozen=True, kw_only=True):
    name: ContainerName | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    auto_heal: Flag = None
