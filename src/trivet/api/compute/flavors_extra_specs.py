"""/flavors/{id}/os-extra_specs: what else a flavor promises, as words. Since 2.86 known words are checked."""

from typing import Annotated

import msgspec

from trivet.api.compute.flavors import needed
from trivet.api.kit.bodies import Body, Text
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import extra_specs, flavors
from trivet.errors import Invalid, NotFound

resource = Resource()

Key = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9-_:. ]{1,255}\Z")]
Word = Text | int | float

_CHECKED = 2086


class ExtraSpecs(Body, frozen=True, kw_only=True):
    extra_specs: Annotated[dict[Key, Word], msgspec.Meta(max_length=500)]


@resource.on("GET", "/v2.1/flavors/{flavor_id}/os-extra_specs", may="reader")
async def index(request: Request) -> Reply:
    flavor = await flavors.visible(request.tx, request.caller, request.values["flavor_id"])
    return Reply(200, {"extra_specs": flavor.extra_specs})


@resource.on("POST", "/v2.1/flavors/{flavor_id}/os-extra_specs", may="admin")
async def add(request: Request) -> Reply:
    said = _checked(request, request.read(ExtraSpecs).extra_specs)
    flavor = await needed(request)
    await flavors.specify(request.tx, flavor, flavor.extra_specs | said)
    return Reply(200, {"extra_specs": said})


@resource.on("GET", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", may="reader")
async def show(request: Request) -> Reply:
    flavor = await flavors.visible(request.tx, request.caller, request.values["flavor_id"])
    key = request.values["key"]
    if key not in flavor.extra_specs:
        raise _absent(flavor.id, key)
    return Reply(200, {key: flavor.extra_specs[key]})


@resource.on("PUT", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", may="admin")
async def change(request: Request) -> Reply:
    said = _checked(request, request.read(dict[Key, Word]))
    if len(said) != 1 or request.values["key"] not in said:
        raise Invalid("body.mismatch", "Request body and URI mismatch")
    flavor = await needed(request)
    await flavors.specify(request.tx, flavor, flavor.extra_specs | said)
    return Reply(200, said)


@resource.on("DELETE", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", may="admin")
async def delete(request: Request) -> Reply:
    flavor = await needed(request)
    key = request.values["key"]
    if key not in flavor.extra_specs:
        raise _absent(flavor.id, key)
    kept = {name: word for name, word in flavor.extra_specs.items() if name != key}
    await flavors.specify(request.tx, flavor, kept)
    return Reply(200)


def _checked(request: Request, said: dict[str, Word]) -> dict[str, str]:
    words = {name: word if isinstance(word, str) else str(word) for name, word in said.items()}
    if request.version >= _CHECKED:
        for name, word in words.items():
            extra_specs.check(name, word)
    return words


def _absent(flavor_id: str, key: str) -> NotFound:
    return NotFound("flavor.spec_absent", f"Flavor {flavor_id} has no extra specs with key {key}.")
