"""/v2/images/{id}/members: who an image is shared with."""

from typing import Literal, cast

import msgspec

from trivet.api.image.sight import seen
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.images import members as image_members
from trivet.domain.images.members import Member
from trivet.errors import Invalid

resource = Resource(names="image_id", seen=seen)

_SCHEMA = "/v2/schemas/member"


class MemberCreate(msgspec.Struct, frozen=True, kw_only=True):
    member: str


class MemberUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The SDK says again whose membership it is, which the path has already; what else is said is passed over."""

    status: str


@resource.on("GET", "/v2/images/{image_id}/members", may="reader")
async def index(request: Request) -> Reply:
    found = await image_members.of_image(request.tx, request.caller, request.values["image_id"])
    return Reply(200, {"members": [_view(member) for member in found], "schema": "/v2/schemas/members"})


@resource.on("POST", "/v2/images/{image_id}/members", may="member")
async def create(request: Request) -> Reply:
    body = request.read(MemberCreate)
    if not body.member.strip() or len(body.member) > 255:
        raise Invalid("image_member.name", "A member is the id of a project.")
    member = await image_members.add(request.tx, request.caller, request.values["image_id"], body.member)
    return Reply(200, _view(member))


@resource.on("GET", "/v2/images/{image_id}/members/{member_id}", may="reader")
async def show(request: Request) -> Reply:
    image_id, member_id = request.values["image_id"], request.values["member_id"]
    return Reply(200, _view(await image_members.show(request.tx, request.caller, image_id, member_id)))


@resource.on("PUT", "/v2/images/{image_id}/members/{member_id}", may="member")
async def update(request: Request) -> Reply:
    body = request.read(MemberUpdate)
    if body.status not in ("pending", "accepted", "rejected"):
        raise Invalid("image_member.status", "status must be pending, accepted or rejected.")
    status = cast(Literal["pending", "accepted", "rejected"], body.status)
    image_id, member_id = request.values["image_id"], request.values["member_id"]
    return Reply(200, _view(await image_members.answer(request.tx, request.caller, image_id, member_id, status)))


@resource.on("DELETE", "/v2/images/{image_id}/members/{member_id}", may="member")
async def delete(request: Request) -> Reply:
    await image_members.remove(request.tx, request.caller, request.values["image_id"], request.values["member_id"])
    return Reply(204)


def _view(member: Member) -> dict[str, object]:
    return {
        "image_id": member.image_id,
        "member_id": member.member_id,
        "status": member.status,
        "created_at": iso(member.created_at),
        "updated_at": iso(member.updated_at),
        "schema": _SCHEMA,
    }
