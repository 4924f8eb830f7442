"""Project tags: words by which projects are found again."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity.people import projects
from trivet.domain.identity.people.projects import PROJECTS, Project, refuse_immutable
from trivet.errors import Invalid, NotFound
from trivet.store.tx import Tx

Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^,/]+\Z")]
_MAX = 80


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    if len(tags) > _MAX:
        raise Invalid("tags.too_many", f"A project has at most {_MAX} tags.")
    if len(set(tags)) != len(tags):
        raise Invalid("tags.twice", "Each tag may be there once.")
    return tuple(tags)


async def visible(tx: Tx, caller: Caller, project_id: str) -> Project:
    return await projects.visible(tx, caller, project_id)


def check_tag(project: Project, tag: str) -> None:
    if tag not in project.tags:
        raise NotFound("tag.absent", f"Could not find project tag: {tag[:64]}.")


async def replace(tx: Tx, caller: Caller, project_id: str, tags: Sequence[str]) -> Project:
    found = await _managed(tx, caller, project_id)
    return await tx.update(PROJECTS, found, tags=check_tags(tags))


async def add(tx: Tx, caller: Caller, project_id: str, tag: str) -> None:
    """Refused if it is there already, as clients expect of identity (networks and servers take it twice)."""
    found = await _managed(tx, caller, project_id)
    try:
        msgspec.convert(tag, Tag)
    except msgspec.ValidationError as error:
        raise Invalid("tags.invalid", "A tag has 1 to 255 characters, and neither / nor a comma.") from error
    await tx.update(PROJECTS, found, tags=check_tags((*found.tags, tag)))


async def remove(tx: Tx, caller: Caller, project_id: str, tag: str) -> None:
    found = await _managed(tx, caller, project_id)
    check_tag(found, tag)
    await tx.update(PROJECTS, found, tags=tuple(one for one in found.tags if one != tag))


async def _managed(tx: Tx, caller: Caller, project_id: str) -> Project:
    if _project_manager(caller, project_id):
        found = await projects.need(tx, project_id)
    else:
        found = await projects.managed(tx, caller, project_id, "identity:update_project_tags")
    refuse_immutable(found.options, {})
    return found


def _project_manager(caller: Caller, project_id: str) -> bool:
    return caller.project_id == project_id and caller.has("admin")
