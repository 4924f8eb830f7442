"""Consoles: the newest output, and tokens that open a screen or a serial port through our own proxy.

Until 2.5 there is an action for each type; since 2.6 they are one resource, remote-consoles.
"""

from typing import Annotated, Literal, cast

import msgspec
from msgspec import UNSET, UnsetType, field

from trivet.api.compute.servers.actions import PATH
from trivet.api.compute.servers.servers import call_of, server_id
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Handler, Resource
from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.identity.tokens import revocations
from trivet.domain.servers import console_output, consoles
from trivet.domain.servers.consoles import ConsoleType
from trivet.errors import Invalid

resource = Resource()

_OLD: tuple[tuple[str, str, ConsoleType, frozenset[str]], ...] = (
    ("os-getVNCConsole", "2.5", "novnc", frozenset(("novnc", "xvpvnc"))),
    ("os-getSerialConsole", "2.5", "serial", frozenset(("serial",))),
    ("os-getSPICEConsole", "2.5", "spice-html5", frozenset(("spice-html5",))),
    ("os-getRDPConsole", "2.5", "rdp-html5", frozenset(("rdp-html5",))),
)
_PAIRS: dict[str, frozenset[str]] = {
    "vnc": frozenset(("novnc", "xvpvnc")),
    "spice": frozenset(("spice-html5", "spice-direct")),
    "rdp": frozenset(("rdp-html5",)),
    "serial": frozenset(("serial",)),
    "mks": frozenset(("webmks",)),
}


class Remote(Body, frozen=True, kw_only=True):
    protocol: Literal["vnc", "spice", "rdp", "serial", "mks"]
    type: ConsoleType


class RemoteBody(Body, frozen=True, kw_only=True):
    remote_console: Remote


class Output(Body, frozen=True, kw_only=True):
    length: Annotated[int, msgspec.Meta(ge=-1)] | UnsetType | None = UNSET


class OutputBody(Body, frozen=True, kw_only=True):
    output: Output = field(name="os-getConsoleOutput")


@resource.on("POST", "/v2.1/servers/{server_id}/remote-consoles", may="member", since="2.6")
async def create_remote(request: Request) -> Reply:
    said = request.read(RemoteBody).remote_console
    if said.type not in _PAIRS[said.protocol]:
        raise Invalid("console.pair", f"A console by {said.protocol} cannot be of type {said.type}.")
    url = await _url(request, said.type)
    return Reply(200, {"remote_console": {"protocol": said.protocol, "type": said.type, "url": url}})


def _old(action: str, type: ConsoleType, types: frozenset[str]) -> Handler:
    async def create(request: Request) -> Reply:
        how = request.read_object()[action]
        if not isinstance(how, dict) or set(how) != {"type"} or how["type"] not in types:
            raise Invalid(
                "console.type", f"Invalid input for {action}: type must be one of {', '.join(sorted(types))}."
            )
        return Reply(200, {"console": {"type": how["type"], "url": await _url(request, how["type"])}})

    return cast(Handler, create)


for _action, _until, _type, _types in _OLD:
    resource.action(PATH, _action, may="member", until=_until)(_old(_action, _type, _types))


async def _url(request: Request, type: ConsoleType) -> str:
    if type == "xvpvnc":
        raise Invalid("console.unavailable", f"Unavailable console type {type}: ask for novnc.")
    # The console may stay open longer than the token lives.
    await revocations.refuse_dead(request.tx, request.parts.tokens, request.caller)
    token = await consoles.create(request.tx, call_of(request), server_id(request), type)
    base = request.parts.settings.url
    if type == "serial":
        return f"ws{base.removeprefix('http')}/console/serial?token={token}"
    # noVNC's own pages are told by `path` where their socket is; some clients look for it, too.
    return f"{base}/console/vnc?token={token}&path=console/vnc%3Ftoken%3D{token}"


@resource.action(PATH, "os-getConsoleOutput", may="member", tx="none")
async def console_output_of(request: Request) -> Reply:
    said = request.read(OutputBody, strict=False).output.length
    lines = None if said is UNSET or said is None or said == -1 else said
    text = await console_output.newest(request.parts, call_of(request), server_id(request), lines)
    return Reply(200, {"output": text})


@resource.on("GET", "/v2.1/os-console-auth-tokens/{token}", may="admin", since="2.31")
async def look_up(request: Request) -> Reply:
    target = await consoles.need(request.tx, request.values["token"])
    host = await request.tx.need(HOSTS, target.host_id, "host")
    view = {
        "instance_uuid": target.server_id,
        "host": host.address,
        "port": request.parts.settings.listen_port,
        "internal_access_path": None,
    }
    if request.version >= 2099:
        view["tls_port"] = None
    return Reply(200, {"console": view})
