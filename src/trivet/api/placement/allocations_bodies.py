"""What clients say about allocations: one consumer's, in the shapes that the versions gave it.

A list until 1.11, an object by provider from 1.12 on; project and user from 1.8, the consumer's generation
from 1.28, mappings from 1.34, its type from 1.38.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, or_none
from trivet.api.kit.request import Request
from trivet.api.placement import wire
from trivet.api.placement.resource_providers_inventories import ClassName
from trivet.domain.placement.claims import Allocations, Consumer
from trivet.errors import Invalid

UuidKey = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F-]{36}\Z")]
Amount = Annotated[int, msgspec.Meta(ge=1, le=0x7FFF_FFFF)]
Resources = Annotated[dict[ClassName, Amount], msgspec.Meta(min_length=1)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Suffix = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{0,64}\Z")]
ConsumerType = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9_]+\Z", min_length=1, max_length=255)]

NOBODY = "00000000-0000-0000-0000-000000000000"
"""Project and user of a consumer from before 1.8."""


class AtProvider(Body, frozen=True, kw_only=True):
    resources: Resources
    generation: int | UnsetType = UNSET


class ProviderRef(Body, frozen=True, kw_only=True):
    uuid: str


class ListedAllocation(Body, frozen=True, kw_only=True):
    resource_provider: ProviderRef
    resources: Resources


class ListedAllocations(Body, frozen=True, kw_only=True):
    allocations: Annotated[list[ListedAllocation], msgspec.Meta(min_length=1)]
    project_id: Id | UnsetType = UNSET
    user_id: Id | UnsetType = UNSET


class ConsumerAllocations(Body, frozen=True, kw_only=True):
    allocations: dict[UuidKey, AtProvider]
    project_id: Id
    user_id: Id
    consumer_generation: int | UnsetType | None = UNSET
    mappings: (
        Annotated[dict[Suffix, Annotated[list[str], msgspec.Meta(min_length=1)]], msgspec.Meta(min_length=1)]
        | UnsetType
    ) = UNSET
    consumer_type: ConsumerType | UnsetType = UNSET


class Said(msgspec.Struct, frozen=True):
    consumer: Consumer
    allocations: Allocations
    generation: int | UnsetType | None
    """UNSET: the client does not know of generations."""


def read_one(request: Request, consumer_id: str) -> Said:
    """The body of PUT /allocations/{consumer_uuid}."""
    if request.version >= 1012:
        body = wire.read(request, ConsumerAllocations)
        if request.version < 1028 and not body.allocations:
            raise Invalid("body.invalid", "JSON does not validate: {} does not have enough properties")
        return checked(request, consumer_id, body)
    listed = wire.read(request, ListedAllocations)
    if request.version >= 1008:
        _expect(listed.project_id is not UNSET, "project_id")
        _expect(listed.user_id is not UNSET, "user_id")
    else:
        _refuse(listed.project_id is not UNSET, "project_id")
        _refuse(listed.user_id is not UNSET, "user_id")
    project_id = NOBODY if listed.project_id is UNSET else listed.project_id
    user_id = NOBODY if listed.user_id is UNSET else listed.user_id
    allocations = {
        wire.uuid(one.resource_provider.uuid, "JSON does not validate"): one.resources for one in listed.allocations
    }
    return Said(Consumer(consumer_id, project_id, user_id), allocations, UNSET)


def checked(request: Request, consumer_id: str, body: ConsumerAllocations) -> Said:
    version = request.version
    (_expect if version >= 1028 else _refuse)(body.consumer_generation is not UNSET, "consumer_generation")
    (_expect if version >= 1038 else _refuse)(body.consumer_type is not UNSET, "consumer_type")
    if version < 1034:
        _refuse(body.mappings is not UNSET, "mappings")
    elif body.mappings is not UNSET:
        for id in (id for ids in body.mappings.values() for id in ids):
            wire.uuid(id, "JSON does not validate")
    kind = or_none(body.consumer_type)
    return Said(
        Consumer(consumer_id, body.project_id, body.user_id, kind),
        {id.lower(): at.resources for id, at in body.allocations.items()},
        body.consumer_generation,
    )


def known(said: list[Said]) -> dict[str, int | None]:
    return {one.consumer.id: one.generation for one in said if one.generation is not UNSET}


def _expect(there: bool, name: str) -> None:
    if not there:
        raise Invalid("body.invalid", f"JSON does not validate: {name!r} is a required property")


def _refuse(there: bool, name: str) -> None:
    if there:
        raise Invalid(
            "body.invalid",
            f"JSON does not validate: Additional properties are not allowed ({name!r} was unexpected)",
        )
