"""What the real service has and this one does not, or not yet: refused with the reason, and lists that are empty."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Handler
from trivet.api.volume.paths import VolumeResource
from trivet.errors import Invalid, NotFound

resource = VolumeResource()
_NO_MANAGING = "Not offered: back ends here hold nothing but what this cloud made, so there is nothing to manage."


@resource.on("GET", "/manageable_volumes", may="admin", since="3.8")
@resource.on("GET", "/manageable_volumes/detail", may="admin", since="3.8")
async def manageable_volumes(request: Request) -> Reply:
    return Reply(200, {"manageable-volumes": []})


@resource.on("GET", "/manageable_snapshots", may="admin", since="3.8")
@resource.on("GET", "/manageable_snapshots/detail", may="admin", since="3.8")
async def manageable_snapshots(request: Request) -> Reply:
    return Reply(200, {"manageable-snapshots": []})


@resource.on("POST", "/manageable_volumes", may="admin", since="3.8")
@resource.on("POST", "/manageable_snapshots", may="admin", since="3.8")
@resource.on("POST", "/os-volume-manage", may="admin")
@resource.on("POST", "/os-snapshot-manage", may="admin")
async def no_managing(request: Request) -> Reply:
    raise Invalid("volume.not_offered", _NO_MANAGING)


def _gone(noun: str, plural: str, instead: str) -> None:
    async def listed(request: Request) -> Reply:
        return Reply(200, {plural: []})

    async def absent(request: Request) -> Reply:
        raise NotFound(f"{noun}.absent", f"There is no such {noun}: {instead}.")

    async def refused(request: Request) -> Reply:
        raise Invalid(f"{noun}.not_offered", f"{noun} is no more: {instead}.")

    one = f"/{plural}/{{{noun}_id}}"
    calls: list[tuple[str, str, Handler]] = [
        ("GET", f"/{plural}", listed), ("GET", f"/{plural}/detail", listed), ("POST", f"/{plural}", refused),
        ("GET", one, absent), ("DELETE", one, absent),
    ]  # fmt: skip
    if noun == "consistencygroup":
        calls += [("POST", f"/{plural}/create_from_src", refused)]
        calls += [("POST", f"{one}/delete", absent), ("PUT", f"{one}/update", absent)]
    for method, path, handler in calls:
        resource.on(method, path, may="reader" if method == "GET" else "member")(handler)


_gone("consistencygroup", "consistencygroups", "groups have taken their place")
_gone("cgsnapshot", "cgsnapshots", "group snapshots have taken their place")
