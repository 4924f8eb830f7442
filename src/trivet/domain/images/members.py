"""Members of an image: projects that its owner shares it with, and what they said to that."""

from typing import Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.images import images
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.row_locks import hold
from trivet.errors import Conflict, Forbidden, NotFound, OverQuota
from trivet.store.tx import Change, Tx

MemberStatus = Literal["pending", "accepted", "rejected"]

MEMBERS_MAX = 128

_SELECT = "SELECT image_id, member_id, status, created_at, updated_at FROM image_members WHERE image_id = ?"


class Member(msgspec.Struct, frozen=True):
    image_id: str
    member_id: str
    status: MemberStatus
    created_at: float
    updated_at: float


async def of_image(tx: Tx, caller: Caller, image_id: str) -> list[Member]:
    """All of them for the owner; a member sees only itself."""
    image = await _shared(tx, caller, image_id)
    found = [Member(*row) for row in await tx.rows(f"{_SELECT} ORDER BY created_at, member_id", image_id)]
    if _owns(caller, image):
        return found
    return [member for member in found if member.member_id == caller.project_id]


async def show(tx: Tx, caller: Caller, image_id: str, member_id: str) -> Member:
    for member in await of_image(tx, caller, image_id):
        if member.member_id == member_id:
            return member
    raise NotFound("image_member.absent", f"{member_id[:64]} is not a member of image {image_id}.")


async def add(tx: Tx, caller: Caller, image_id: str, member_id: str) -> Member:
    image = await _shared(tx, caller, image_id)
    _only_owner(caller, image)
    await hold(tx, IMAGES, image_id)
    count = await tx.row("SELECT COUNT(*) FROM image_members WHERE image_id = ?", image_id)
    assert count is not None
    if int(count[0]) >= MEMBERS_MAX:
        raise OverQuota("image_member.too_many", f"An image has {MEMBERS_MAX} members at most.", status=413)
    now = tx.clock.now()
    new = await tx.run(
        "INSERT INTO image_members (image_id, member_id, status, created_at, updated_at)"
        " VALUES (?, ?, 'pending', ?, ?) ON CONFLICT DO NOTHING",
        image_id,
        member_id,
        now,
        now,
    )
    if not new:
        raise Conflict("image_member.exists", f"{member_id} is already a member of image {image_id}.")
    _note(tx, image)
    return Member(image_id, member_id, "pending", now, now)


async def copy(tx: Tx, from_id: str, to_id: str) -> None:
    """To an image that was just made in another's place: who accepted that has accepted this."""
    await tx.run(
        "INSERT INTO image_members (image_id, member_id, status, created_at, updated_at)"
        " SELECT ?, member_id, status, created_at, updated_at FROM image_members WHERE image_id = ?",
        to_id,
        from_id,
    )


async def answer(tx: Tx, caller: Caller, image_id: str, member_id: str, status: MemberStatus) -> Member:
    """Only the member itself says whether it wants the image in its lists."""
    image = await _shared(tx, caller, image_id)
    if not (caller.owns(member_id) or (caller.is_operator and not caller.owns(image.project_id))):
        raise Forbidden(
            "image_member.not_you", "Only the project that an image is shared with can accept or reject it."
        )
    member = await show(tx, caller, image_id, member_id)
    now = tx.clock.now()
    await tx.run(
        "UPDATE image_members SET status = ?, updated_at = ? WHERE image_id = ? AND member_id = ?",
        status,
        now,
        image_id,
        member_id,
    )
    _note(tx, image)
    return msgspec.structs.replace(member, status=status, updated_at=now)


async def remove(tx: Tx, caller: Caller, image_id: str, member_id: str) -> None:
    image = await _shared(tx, caller, image_id)
    _only_owner(caller, image)
    gone = await tx.run("DELETE FROM image_members WHERE image_id = ? AND member_id = ?", image_id, member_id)
    if not gone:
        raise NotFound("image_member.absent", f"{member_id[:64]} is not a member of image {image_id}.")
    _note(tx, image)


async def _shared(tx: Tx, caller: Caller, image_id: str) -> Image:
    image = await images.visible(tx, caller, image_id)
    if image.visibility != "shared":
        raise Forbidden("image.not_shared", "Only shared images have members.")
    return image


def _owns(caller: Caller, image: Image) -> bool:
    return caller.may_see(image.project_id)


def _only_owner(caller: Caller, image: Image) -> None:
    if not (caller.owns(image.project_id) or caller.is_operator):
        raise Forbidden("image.not_yours", "Only the owner of an image chooses its members.")


def _note(tx: Tx, image: Image) -> None:
    tx.note(Change("images", image.id, "updated", image.revision, image.project_id, None, "members"))
