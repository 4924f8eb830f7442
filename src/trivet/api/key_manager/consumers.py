"""/v1/secrets/{id}/consumers and /v1/containers/{id}/consumers: who says that he uses it."""

from typing import Annotated, Any

import msgspec

from trivet.api.key_manager import paging, views
from trivet.api.key_manager.bodies import BODY_MAX, Loose, Said, read
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.key_manager import consumers, containers, limits, stored_secrets
from trivet.domain.key_manager.consumers import Use
from trivet.domain.key_manager.containers import CONTAINERS, Container
from trivet.domain.key_manager.stored_secrets import STORED_SECRETS, StoredSecret
from trivet.domain.key_manager.words import not_allowed
from trivet.domain.row_locks import hold

resource = Resource()
USERS_OF = "/v1/secrets/{secret_id}/consumers"
USERS_OF_CONTAINER = "/v1/containers/{container_id}/consumers"


class SecretConsumer(Loose, frozen=True, kw_only=True):
    service: Said
    resource_type: Said
    resource_id: Said


class ContainerConsumer(Loose, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=36)]
    url: Said = msgspec.field(name="URL")


async def _secret(request: Request, doing: str) -> StoredSecret:
    return await stored_secrets.readable(request.tx, request.caller, request.values["secret_id"], doing)


async def _container(request: Request, doing: str) -> Container:
    return await containers.readable(request.tx, request.caller, request.values["container_id"], doing)


def _project(request: Request, doing: str) -> str:
    """Whose quota it is taken from."""
    if request.caller.project_id is None:
        raise not_allowed(doing)
    return request.caller.project_id


# -- of secrets


@resource.on("GET", USERS_OF, may="token", decides="keys")
async def of_secret(request: Request) -> Reply:
    found = await _secret(request, "SecretConsumers(s) retrieval")
    listed, total = await consumers.page(request.tx, found.id, paging.asked(request))
    shown = [views.dated_consumer(one, views.secret_consumer(one)) for one in listed]
    return paging.reply(request, "consumers", f"secrets/{found.id}/consumers", shown, total)


@resource.on("POST", USERS_OF, may="token", decides="keys", body_max=BODY_MAX)
async def add_to_secret(request: Request) -> Reply:
    doing = "SecretConsumer creation"
    found = await _secret(request, doing)
    said = read(request, SecretConsumer, "Secret Consumer")
    await hold(request.tx, STORED_SECRETS, found.id)
    await consumers.add(
        request.tx, _project(request, doing), found.id, Use(said.service, said.resource_type, said.resource_id)
    )
    await limits.settled(request.tx, doing)
    return await _secret_told(request, found, 200)


@resource.on("DELETE", USERS_OF, may="token", decides="keys", body_max=BODY_MAX)
async def remove_from_secret(request: Request) -> Reply:
    found = await _secret(request, "SecretConsumer deletion")
    said = read(request, SecretConsumer, "Secret Consumer")
    await hold(request.tx, STORED_SECRETS, found.id)
    use = Use(said.service, said.resource_type, said.resource_id)
    await consumers.remove(request.tx, request.caller, found.project_id, found.id, use)
    return await _secret_told(request, found, 200)


async def _secret_told(request: Request, found: StoredSecret, status: int) -> Reply:
    view = views.secret(request, found, await consumers.of(request.tx, found.id))
    return Reply(status, view, [(b"location", f"{view['secret_ref']}/consumers".encode())])


# -- of containers


@resource.on("GET", USERS_OF_CONTAINER, may="token", decides="keys")
async def of_container(request: Request) -> Reply:
    found = await _container(request, "ContainerConsumers(s) retrieval")
    listed, total = await consumers.page(request.tx, found.id, paging.asked(request))
    shown = [views.dated_consumer(one, views.container_consumer(one)) for one in listed]
    return paging.reply(request, "consumers", f"containers/{found.id}/consumers", shown, total)


@resource.on("POST", USERS_OF_CONTAINER, may="token", decides="keys", body_max=BODY_MAX)
async def add_to_container(request: Request) -> Reply:
    doing = "ContainerConsumer creation"
    found = await _container(request, doing)
    said = read(request, ContainerConsumer, "Consumer")
    await hold(request.tx, CONTAINERS, found.id)
    await consumers.add(request.tx, _project(request, doing), found.id, Use(said.name, "", said.url))
    await limits.settled(request.tx, doing)
    return await _container_told(request, found)


@resource.on("DELETE", USERS_OF_CONTAINER, may="token", decides="keys", body_max=BODY_MAX)
async def remove_from_container(request: Request) -> Reply:
    found = await _container(request, "ContainerConsumer deletion")
    said = read(request, ContainerConsumer, "Consumer")
    await hold(request.tx, CONTAINERS, found.id)
    await consumers.remove(request.tx, request.caller, found.project_id, found.id, Use(said.name, "", said.url))
    return await _container_told(request, found)


async def _container_told(request: Request, found: Container) -> Reply:
    held = await containers.held_by(request.tx, [found.id])
    view: dict[str, Any] = views.container(request, found, held[found.id], await consumers.of(request.tx, found.id))
    return Reply(200, view, [(b"location", f"{view['container_ref']}/consumers".encode())])
