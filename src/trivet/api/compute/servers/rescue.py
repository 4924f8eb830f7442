"""Actions rescue and unrescue: a server boots from another image for a while."""

from msgspec import UNSET, UnsetType

from trivet.api.compute.servers.actions import PATH, plain
from trivet.api.compute.servers.bodies import Password
from trivet.api.compute.servers.servers import call_of, server_id
from trivet.api.kit.bodies import Body, Uuid, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import rescue as server_rescue

resource = Resource()
_FROM_VOLUME_SINCE = 2087


class Rescue(Body, frozen=True, kw_only=True):
    adminPass: Password | UnsetType = UNSET  # noqa: N815 - as it is spelled on the wire
    rescue_image_ref: Uuid | UnsetType = UNSET


class RescueBody(Body, frozen=True, kw_only=True):
    rescue: Rescue | None


@resource.action(PATH, "rescue", may="member")
async def rescue(request: Request) -> Reply:
    said = request.read(RescueBody).rescue or Rescue()
    password = or_none(said.adminPass)
    if password is None:
        password = request.parts.ids.secret()[:12]
    await server_rescue.rescue(
        request.tx,
        call_of(request),
        server_id(request),
        image_id=or_none(said.rescue_image_ref),
        sealed_password=request.parts.secrets.seal(password),
        from_volume=request.version >= _FROM_VOLUME_SINCE,
    )
    return Reply(200, {"adminPass": password})


plain(resource, "unrescue", server_rescue.unrescue)
