"""Actions that change what a server is made of or how large it is: rebuild, resize, shelve."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, UnsetType, field

from trivet.api.compute import quota_words
from trivet.api.compute.servers import bodies as said
from trivet.api.compute.servers import views
from trivet.api.compute.servers.actions import ACCEPTED, PATH, accepted, plain
from trivet.api.compute.servers.bodies import Rebuild, RebuildBody
from trivet.api.compute.servers.servers import call_of, server_id
from trivet.api.kit.bodies import Body, Name, Since, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.domain.servers import changes as server_changes
from trivet.domain.servers import rebuilding, shelving

resource = Resource()
_NO_CONTENT = 204
_VOLUMES_SINCE = 2093


class Resize(Body, frozen=True, kw_only=True):
    flavorRef: str | int  # noqa: N815 - as it is spelled on the wire
    disk_config: Literal["AUTO", "MANUAL"] | UnsetType = field(default=UNSET, name="OS-DCF:diskConfig")


class ResizeBody(Body, frozen=True, kw_only=True):
    resize: Resize


class Unshelve(Body, frozen=True, kw_only=True):
    availability_zone: Name | UnsetType | None = UNSET
    host: Annotated[Name | UnsetType, Since("2.91")] = UNSET


class UnshelveBody(Body, frozen=True, kw_only=True):
    unshelve: Unshelve | None


@resource.action(PATH, "rebuild", may="member", body_max=LONG_BODY_MAX)
async def rebuild(request: Request) -> Reply:
    body = request.read(RebuildBody, strict=False).rebuild
    changes = await _changes(request, body)
    password = request.parts.ids.secret()[:12] if body.adminPass is UNSET else body.adminPass
    changes["sealed_password"] = request.parts.secrets.seal(password)
    server = await rebuilding.rebuild(
        request.tx,
        call_of(request),
        server_id(request),
        body.imageRef,
        changes,
        volumes_too=request.version >= _VOLUMES_SINCE,
        keep_ephemeral=body.preserve_ephemeral,
    )
    whole = request.version >= 2075
    parts = views.Shown(extended=whole, key=request.version >= 2054, groups=True, user_data=False)
    view = await views.shown(request, server, parts) | {"adminPass": password}
    if request.version >= 2057:
        view["user_data"] = server.user_data
    return Reply(ACCEPTED, {"server": view}, [(b"location", view["links"][0]["href"].encode())])


async def _changes(request: Request, body: Rebuild) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, value in (
        ("description", body.description),
        ("disk_config", body.disk_config),
        ("key_name", body.key_name),
        ("user_data", body.user_data),
    ):
        if value is not UNSET:
            changes[name] = value
    if changes.get("user_data") is not None:
        said.check_base64(changes["user_data"], "user_data")
    if body.name is not UNSET:
        changes["name"] = said.check_name(body.name)
    if body.hostname is not UNSET:
        changes["hostname"] = said.check_hostname(body.hostname, request.version)
    if body.accessIPv4 is not UNSET:
        changes["access_ipv4"] = said.ipv4(body.accessIPv4)
    if body.accessIPv6 is not UNSET:
        changes["access_ipv6"] = said.ipv6(body.accessIPv6)
    if body.personality is not UNSET:
        changes["files"] = said.files_of(body.personality)
    if body.trusted_image_certificates is not UNSET:
        changes["trusted_certificates"] = tuple(body.trusted_image_certificates or ())
    if body.metadata is not UNSET:
        most = await quota_words.metadata_most(request)
        changes["metadata"] = said.metadata_within(body.metadata, most)
    return changes


@resource.action(PATH, "resize", may="member")
async def resize(request: Request) -> Reply:
    body = request.read(ResizeBody, strict=False).resize
    flavor_id = str(body.flavorRef).rpartition("/")[2]
    return await accepted(request, server_changes.resize, flavor_id, or_none(body.disk_config))


@resource.action(PATH, "confirmResize", may="member")
async def confirm_resize(request: Request) -> Reply:
    await server_changes.confirm_resize(request.tx, call_of(request), server_id(request))
    return Reply(_NO_CONTENT)


plain(resource, "revertResize", server_changes.revert_resize)


@resource.action(PATH, "shelve", may="member")
async def shelve(request: Request) -> Reply:
    return await accepted(request, shelving.shelve, request.parts.settings.shelved_offload_s)


plain(resource, "shelveOffload", shelving.offload, may="admin")


@resource.action(PATH, "unshelve", may="member")
async def unshelve(request: Request) -> Reply:
    zone: str | None = None
    host: str | None = None
    if request.version >= 2077 and (how := request.read(UnshelveBody).unshelve) is not None:
        zone, host = or_none(how.availability_zone), or_none(how.host)
    return await accepted(request, shelving.unshelve, zone, host)
