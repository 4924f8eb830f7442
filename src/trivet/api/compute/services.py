"""/os-services: the agents on hosts. Until 2.52 they are changed by host and binary, from 2.53 on by id."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.compute import host_views, pages
from trivet.api.compute.host_views import BINARY, BY_UUID
from trivet.api.kit.bodies import Body, Name, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.errors import Invalid, NotFound

resource = Resource()

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class ByName(Body, frozen=True, kw_only=True):
    host: Name
    binary: Name


class ByNameWithReason(ByName, frozen=True, kw_only=True):
    disabled_reason: Reason


class ByNameForced(ByName, frozen=True, kw_only=True):
    forced_down: bool


class ServiceChange(Body, frozen=True, kw_only=True):
    status: Literal["enabled", "disabled"] | UnsetType = UNSET
    disabled_reason: Reason | UnsetType = UNSET
    forced_down: bool | UnsetType = UNSET


@resource.on("GET", "/v2.1/os-services", may="operator")
async def index(request: Request) -> Reply:
    pages.known(request, {"host", "binary"}, since=2075)
    found = await request.tx.select(HOSTS, order="name")
    name, binary = request.asked("host"), request.asked("binary")
    if name:
        found = [host for host in found if host.name == name]
    if binary and binary != BINARY:
        found = []
    return Reply(200, {"services": [host_views.service(request, host) for host in found]})


@resource.on("PUT", "/v2.1/os-services/enable", may="admin", until="2.52")
async def enable(request: Request) -> Reply:
    said = request.read(ByName)
    await hosts.switch(request.tx, await _named(request, said), enabled=True, reason=None)
    return _told(said, status="enabled")


@resource.on("PUT", "/v2.1/os-services/disable", may="admin", until="2.52")
async def disable(request: Request) -> Reply:
    said = request.read(ByName)
    await hosts.switch(request.tx, await _named(request, said), enabled=False, reason=None)
    return _told(said, status="disabled")


@resource.on("PUT", "/v2.1/os-services/disable-log-reason", may="admin", until="2.52")
async def disable_with_reason(request: Request) -> Reply:
    said = request.read(ByNameWithReason)
    await hosts.switch(request.tx, await _named(request, said), enabled=False, reason=said.disabled_reason)
    return _told(said, status="disabled", disabled_reason=said.disabled_reason)


@resource.on("PUT", "/v2.1/os-services/force-down", may="admin", since="2.11", until="2.52")
async def force_down(request: Request) -> Reply:
    said = request.read(ByNameForced, strict=False)
    await hosts.force_down(request.tx, await _named(request, said), down=said.forced_down)
    return _told(said, forced_down=said.forced_down)


@resource.on("PUT", "/v2.1/os-services/{service_id}", may="admin", since="2.53")
async def change(request: Request) -> Reply:
    said = request.read(ServiceChange, strict=False)
    host = await _needed(request)
    if said.status is UNSET and said.forced_down is UNSET:
        raise Invalid(
            "body.invalid", "No updates were requested. Fields 'status' or 'forced_down' should be specified."
        )
    if said.disabled_reason is not UNSET and said.status != "disabled":
        raise Invalid("body.invalid", "Specifying disabled_reason when status is 'enabled' is invalid.")
    if said.forced_down is not UNSET:
        host = await hosts.force_down(request.tx, host, down=said.forced_down)
    if said.status is not UNSET:
        reason = or_none(said.disabled_reason)
        host = await hosts.switch(request.tx, host, enabled=said.status == "enabled", reason=reason)
    return Reply(200, {"service": host_views.service(request, host)})


@resource.on("DELETE", "/v2.1/os-services/{service_id}", may="admin")
async def delete(request: Request) -> Reply:
    await hosts.forget(request.tx, await _needed(request))
    return Reply(204)


async def _needed(request: Request) -> Host:
    said = request.values["service_id"]
    try:
        return await host_views.needed(request, said, "Service", invalid_number=True)
    except NotFound as error:
        raise NotFound("service.absent", f"Service {said[:64]} not found.") from error


async def _named(request: Request, said: ByName) -> Host:
    assert request.version < BY_UUID
    if said.binary != BINARY:
        raise Invalid(
            "service.binary",
            f"Updating a {said.binary} service is not supported. Only {BINARY} services can be updated.",
        )
    return await hosts.by_name(request.tx, said.host)


def _told(said: ByName, **more: Any) -> Reply:
    return Reply(200, {"service": {"host": said.host, "binary": said.binary} | more})
