"""/v1/topology/components/{component}: on what something stands, and how a monitor outside says that it is."""

from typing import Annotated, Any, Literal

import msgspec

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.causes import components, neighbourhood
from trivet.domain.causes.components import ComponentState
from trivet.domain.causes.words import checked

resource = Resource()


class SaidState(Body, frozen=True, kw_only=True):
    value: Literal["up", "down", "unknown"]
    detail: Annotated[str, msgspec.Meta(max_length=components.DETAIL_MAX)] = ""


class StateBody(Body, frozen=True, kw_only=True):
    state: SaidState


@resource.on("GET", "/components/{component}", may="operator")
async def show(request: Request) -> Reply:
    """With all that it stands on, by declared links and by rows."""
    component = checked(request.values["component"])
    said = {state.component: state for state in await components.of(request.tx, {component})}
    view = {
        "component": component,
        "stands_on": sorted(await neighbourhood.beneath(request.tx, component)),
        "state": _view(said[component]) if component in said else None,
    }
    return Reply(200, {"component": view})


@resource.on("PUT", "/components/{component}/state", may="service")
async def say(request: Request) -> Reply:
    said = request.read(StateBody).state
    told = await components.say(request.tx, request.values["component"], said.value, said.detail)
    return Reply(200, {"state": _view(told)})


def _view(state: ComponentState) -> dict[str, Any]:
    return {
        "component": state.component,
        "value": state.value,
        "detail": state.detail,
        "since": iso_micros(state.since, "Z"),
        "said_at": iso_micros(state.said_at, "Z"),
    }
