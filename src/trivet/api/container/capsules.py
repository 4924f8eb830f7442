"""/v1/capsules: several containers as one. None can be made here yet, which is said; so none is there."""

from trivet.api.container import said
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.errors import Invalid, NotFound

resource = Resource()
CAPSULE = "/v1/capsules/{capsule_ident}"


@resource.on("GET", "/v1/capsules", may="reader")
async def index(request: Request) -> Reply:
    said.all_projects(request, request.asked("all_projects"))
    return Reply(200, {"capsules": [], "next": None})


@resource.on("POST", "/v1/capsules", may="member")
async def create(request: Request) -> Reply:
    raise Invalid(
        "capsule.not_offered",
        "No host here runs several containers as one yet. Run each as a container of its own, on one network, with a "
        "volume where they share files.",
    )


@resource.on("GET", CAPSULE, may="reader")
async def show(request: Request) -> Reply:
    raise _absent(request)


@resource.on("DELETE", CAPSULE, may="member")
async def delete(request: Request) -> Reply:
    raise _absent(request)


def _absent(request: Request) -> NotFound:
    return NotFound("capsule.absent", f"Capsule {request.values['capsule_ident'][:64]} could not be found.")
