"""POST /servers/{id}/action: power, locks and state.

An action that is said by its name alone is one line; the others have a handler each.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, Any, Concatenate, Literal, ParamSpec

import msgspec
from msgspec import UNSET, UnsetType, field

from trivet.api.compute.servers.servers import call_of, server_id
from trivet.api.kit.bodies import Body, Since, Text, or_none
from trivet.api.kit.callers import Policy
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import acts as server_acts
from trivet.domain.servers import soft_deletion
from trivet.domain.servers.actions import Call
from trivet.errors import Invalid
from trivet.store.tx import Tx

resource = Resource()
PATH = "/v2.1/servers/{server_id}/action"
ACCEPTED = 202
P = ParamSpec("P")

_TIMEOUT_MAX_S = 3600.0


class Stop(Body, frozen=True, kw_only=True):
    """Ours: how long the guest may take. Nova's clients send null."""

    timeout: Annotated[float, msgspec.Meta(ge=0, le=_TIMEOUT_MAX_S)] | UnsetType = UNSET


class StopBody(Body, frozen=True, kw_only=True):
    stop: Any = field(default=None, name="os-stop")


class RebootHow(Body, frozen=True, kw_only=True):
    type: Literal["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]


class RebootBody(Body, frozen=True, kw_only=True):
    reboot: RebootHow


class LockHow(Body, frozen=True, kw_only=True):
    locked_reason: Annotated[Text | UnsetType, Since("2.73")] = UNSET


class LockBody(Body, frozen=True, kw_only=True):
    lock: LockHow | None


class StateHow(Body, frozen=True, kw_only=True):
    state: Literal["active", "error"]


class StateBody(Body, frozen=True, kw_only=True):
    state: StateHow = field(name="os-resetState")


async def accepted(
    request: Request,
    act: Callable[Concatenate[Tx, Call, str, P], Awaitable[object]],
    *said: P.args,
    **how: P.kwargs,
) -> Reply:
    """The act is written down; when it is done, the server says so."""
    await act(request.tx, call_of(request), server_id(request), *said, **how)
    return Reply(ACCEPTED)


def plain(
    resource: Resource, action: str, act: Callable[[Tx, Call, str], Awaitable[object]], may: Policy = "member"
) -> None:
    """An action that is said by its name alone: what else its body holds is not looked at."""

    @resource.action(PATH, action, may=may)
    @wraps(act)
    async def run(request: Request) -> Reply:
        return await accepted(request, act)


plain(resource, "os-start", server_acts.start)
plain(resource, "pause", server_acts.pause)
plain(resource, "unpause", server_acts.unpause)
plain(resource, "suspend", server_acts.suspend)
plain(resource, "resume", server_acts.resume)
plain(resource, "unlock", server_acts.unlock)
plain(resource, "forceDelete", server_acts.delete)
plain(resource, "restore", soft_deletion.restore)


@resource.action(PATH, "os-stop", may="member")
async def stop(request: Request) -> Reply:
    said = request.read(StopBody).stop
    timeout_s = or_none(_stop_of(said).timeout) if isinstance(said, dict) else None
    return await accepted(request, server_acts.stop, timeout_s)


def _stop_of(said: dict[str, Any]) -> Stop:
    try:
        return msgspec.convert(said, Stop)
    except msgspec.ValidationError as error:
        raise Invalid("body.invalid", f"Invalid input for os-stop: {error}.") from error


@resource.action(PATH, "reboot", may="member")
async def reboot(request: Request) -> Reply:
    how = request.read(RebootBody).reboot.type
    return await accepted(request, server_acts.reboot, hard=how.upper() == "HARD")


@resource.action(PATH, "lock", may="member")
async def lock(request: Request) -> Reply:
    reason: str | None = None
    if request.version >= 2073:
        how = request.read(LockBody).lock
        reason = or_none(how.locked_reason) if how is not None else None
    return await accepted(request, server_acts.lock, reason)


@resource.action(PATH, "os-resetState", may="admin")
async def reset_state(request: Request) -> Reply:
    return await accepted(request, server_acts.reset_state, request.read(StateBody).state.state)


@resource.action(PATH, "resetNetwork", may="admin")
async def reset_network(request: Request) -> Reply:
    return await accepted(request, server_acts.plug_again, "resetNetwork")


@resource.action(PATH, "injectNetworkInfo", may="admin")
async def inject_network_info(request: Request) -> Reply:
    return await accepted(request, server_acts.plug_again, "injectNetworkInfo")
