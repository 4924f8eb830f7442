"""/v1/hosts/{host}/bmc: by what a host's power is looked at and cut. Its password is told to nobody."""

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.health import bmcs, probes
from trivet.domain.health.bmcs import HostBmc
from trivet.errors import Invalid

resource = Resource()
_PATH = "/{host}/bmc"
_Text = Annotated[str, msgspec.Meta(max_length=255)]


class Bmc(Body, frozen=True, kw_only=True):
    url: Annotated[str, msgspec.Meta(max_length=2000)]
    username: _Text
    password: _Text
    certificate: Annotated[str, msgspec.Meta(max_length=16384)] = ""


class BmcBody(Body, frozen=True, kw_only=True):
    bmc: Bmc


@resource.on("GET", _PATH, may="operator")
async def show(request: Request) -> Reply:
    host = await probes.needed_host(request.tx, request.values["host"])
    return Reply(200, {"bmc": _view(await bmcs.needed(request.tx, host))})


@resource.on("PUT", _PATH, may="admin")
async def keep(request: Request) -> Reply:
    said = request.read(BmcBody).bmc
    parts = urlsplit(said.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "/Systems/" not in parts.path:
        raise Invalid(
            "bmc.url", "url is that of the host's system in Redfish, such as https://10.0.0.7/redfish/v1/Systems/1."
        )
    host = await probes.needed_host(request.tx, request.values["host"])
    at = bmcs.at(said.url, said.username, said.password, said.certificate)
    return Reply(200, {"bmc": _view(await bmcs.keep(request.tx, request.parts.secrets, host, at))})


@resource.on("DELETE", _PATH, may="admin")
async def forget(request: Request) -> Reply:
    host = await probes.needed_host(request.tx, request.values["host"])
    await bmcs.forget(request.tx, host)
    return Reply(204)


def _view(found: HostBmc) -> dict[str, Any]:
    return {
        "url": found.url,
        "username": found.username,
        "certificate": found.certificate,
        "created_at": iso(found.created_at),
        "updated_at": iso(found.updated_at),
    }
