"""Evacuate: a server whose host has failed is made again elsewhere. For operators."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.compute.servers.actions import PATH
from trivet.api.compute.servers.bodies import Password
from trivet.api.compute.servers.servers import call_of, server_id
from trivet.api.kit.bodies import Body, Since, Until
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.servers import evacuation
from trivet.errors import Invalid, NotFound

_SILENT_SINCE = 2014
"""From here on nobody is told a password."""
_STOPPED_SINCE = 2095

resource = Resource()

HostName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9._-]*\Z")]


class Evacuate(Body, frozen=True, kw_only=True):
    host: HostName | UnsetType = UNSET
    adminPass: Password | UnsetType = UNSET  # noqa: N815
    onSharedStorage: Annotated[bool | UnsetType, Until("2.13")] = UNSET  # noqa: N815
    force: Annotated[bool | UnsetType, Since("2.29"), Until("2.67")] = UNSET


class EvacuateBody(Body, frozen=True, kw_only=True):
    evacuate: Evacuate


@resource.action(PATH, "evacuate", may="admin")
async def evacuate(request: Request) -> Reply:
    said = request.read(EvacuateBody, strict=False).evacuate
    target = None if said.host is UNSET else said.host
    if request.version < _SILENT_SINCE and said.onSharedStorage is UNSET:
        raise Invalid(
            "body.invalid", "Invalid input for field/attribute evacuate. 'onSharedStorage' is a required property"
        )
    if said.onSharedStorage is True:
        if said.adminPass is not UNSET:
            raise Invalid("evacuate.password", "admin password can't be changed on existing disk")
        raise Invalid("evacuate.storage", "Invalid state of instance files on shared storage: no disk is shared here.")
    if target is not None and await request.tx.find(HOSTS, "name = ?", target) is None:
        raise NotFound("host.absent", f"Compute host {target} not found.")
    if said.force is True and target is None:
        raise Invalid("evacuate.force", "Can't force to a non-provided destination")
    password = request.parts.ids.secret()[:12] if said.adminPass is UNSET else said.adminPass
    await evacuation.evacuate(
        request.tx,
        call_of(request),
        server_id(request),
        target,
        stays_stopped=request.version >= _STOPPED_SINCE,
        sealed_password=request.parts.secrets.seal(password),
    )
    return Reply(200, {"adminPass": password} if request.version < _SILENT_SINCE else None)
