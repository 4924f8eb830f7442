"""POST /servers/{id}/action: power, locks and state, one handler for each word that nova knows."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType, field

from trivet.api.compute.servers import call_of
from trivet.api.kit.bodies import Body, Since, Text
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain import server_acts
from trivet.errors import Invalid

resource = Resource()
PATH = "/v2.1/servers/{server_id}/action"
ACCEPTED = 202

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


def server_id(request: Request) -> str:
    return request.values["server_id"]


@resource.action(PATH, "os-start", may="member")
async def start(request: Request) -> Reply:
    await server_acts.start(request.tx, call_of(request), server_id(request))
    return Reply(ACCEPTED)


@resource.action(PATH, "os-stop", may="member")
async def stop(request: Request) -> Reply:
    said = request.read(StopBody).stop
    timeout_s: float | None = None
    if isinstance(said, dict):
        how = _stop_of(said)
        timeout_s = None if how.timeout is UNSET else how.timeout
    await server_acts.stop(request.tx, call_of(request), server_id(request), timeout_s)
    return Reply(ACCEPTED)


def _stop_of(said: dict[str, Any]) -> Stop:
    try:
        return msgspec.convert(said, Stop)
    except msgspec.ValidationError as error:
        raise Invalid("body.invalid", f"Invalid input for os-stop: {error}.") from error


@resource.action(PATH, "reboot", may="member")
async def reboot(request: Request) -> Reply:
    how = request.read(RebootBody).reboot.type
    await server_acts.reboot(request.tx, call_of(request), server_id(request), hard=how.upper() == "HARD")
    return Reply(ACCEPTED)


@resource.action(PATH, "pause", may="member")
async def pause(request: Request) -> Reply:
    await server_acts.pause(request.tx, call_of(request), server_id(request))
    return Reply(ACCEPTED)


@resource.action(PATH, "unpause", may="member")
async def unpause(request: Request) -> Reply:
    await server_acts.unpause(request.tx, call_of(request), server_id(request))
    return Reply(ACCEPTED)


@resource.action(PATH, "suspend", may="member")
async def suspend(request: Request) -> Reply:
    await server_acts.suspend(request.tx, call_of(request), server_id(request))
    return Reply(ACCEPTED)


@resource.action(PATH, "resume", may="member")
async def resume(request: Request) -> Reply:
    await server_acts.resume(request.tx, call_of(request), server_id(request))
    return Reply(ACCEPTED)


@resource.action(PATH, "lock", may="member")
async def lock(request: Request) -> Reply:
    reason: str | None = None
    if request.version >= 2073:
        how = request.read(LockBody).lock
        reason = None if how is None or how.locked_reason is UNSET else how.locked_reason
    await server_acts.lock(request.tx, call_of(request), server_id(request), reason)
    return Reply(ACCEPTED)


@resource.action(PATH, "unlock", may="member")
async def unlock(request: Request) -> Reply:
    await server_acts.unlock(request.tx, call_of(request), server_id(request))
    return Reply(ACCEPTED)


@resource.action(PATH, "forceDelete", may="member")
async def force_delete(request: Request) -> Reply:
    await server_acts.delete(request.tx, call_of(request), server_id(request))
    return Reply(ACCEPTED)


@resource.action(PATH, "os-resetState", may="admin")
async def reset_state(request: Request) -> Reply:
    said = request.read(StateBody).state.state
    await server_acts.reset_state(request.tx, call_of(request), server_id(request), said)
    return Reply(ACCEPTED)


@resource.action(PATH, "resetNetwork", may="admin")
async def reset_network(request: Request) -> Reply:
    await server_acts.plug_again(request.tx, call_of(request), server_id(request), "resetNetwork")
    return Reply(ACCEPTED)


@resource.action(PATH, "injectNetworkInfo", may="admin")
async def inject_network_info(request: Request) -> Reply:
    await server_acts.plug_again(request.tx, call_of(request), server_id(request), "injectNetworkInfo")
    return Reply(ACCEPTED)
