"""/v1/quota_classes: what projects begin with, and other sets of limits with a name."""

from trivet.api.container import quota_words, said
from trivet.api.container.quota_words import Quotas
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.limits import quota_classes

resource = Resource()
PATH = "/v1/quota_classes/{quota_class_name}"


@resource.on("GET", PATH, may="operator", since="1.26")
async def show(request: Request) -> Reply:
    return await _shown(request)


@resource.on("PUT", PATH, may="admin", since="1.26")
async def update(request: Request) -> Reply:
    for name, limit in quota_words.wanted(said.words(request, Quotas)).items():
        await quota_classes.set_limit(request.tx, request.values["quota_class_name"], name, limit)
    return await _shown(request)


async def _shown(request: Request) -> Reply:
    ours = await quota_classes.limits_of(request.tx, request.values["quota_class_name"])
    return Reply(200, quota_words.shown(ours))
