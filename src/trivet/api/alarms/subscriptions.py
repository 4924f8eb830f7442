"""/v1/alarms/subscriptions: where somebody wants to be told, and of what. The secret is said once and shown never."""

from typing import Annotated

import msgspec

from trivet.api.alarms import views
from trivet.api.kit import lists
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.alarms import subscriptions
from trivet.domain.alarms.subscriptions import Filter, Style, SubscriptionWish
from trivet.domain.alarms.words import EventType, ObjectType, Severity
from trivet.errors import Forbidden

resource = Resource()
_Few = msgspec.Meta(max_length=10)
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class SaidFilter(Body, frozen=True, kw_only=True):
    severities: Annotated[tuple[Severity, ...], _Few] = ()
    event_types: Annotated[tuple[EventType, ...], _Few] = ()
    object_types: Annotated[tuple[ObjectType, ...], _Few] = ()
    object_ids: Annotated[tuple[_Id, ...], msgspec.Meta(max_length=100)] = ()


class NewSubscription(Body, frozen=True, kw_only=True):
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000, pattern=r"^https?://[!-~]+\Z")]
    secret: Annotated[str, msgspec.Meta(min_length=16, max_length=255)]
    style: Style = "cloudevents"
    filter: SaidFilter = SaidFilter()
    all_projects: bool = False


class NewBody(Body, frozen=True, kw_only=True):
    subscription: NewSubscription


@resource.on("GET", "/subscriptions", may="reader")
async def index(request: Request) -> Reply:
    seen = subscriptions.seen_by(request.caller)
    asked = lists.asked(request, views.SPELLING, subscriptions.OLDEST)
    found = await subscriptions.page(request.tx, seen.copy(), asked, seen=seen)
    return Reply(200, {"subscriptions": [views.subscription(one) for one in found]})


@resource.on("POST", "/subscriptions", may="member")
async def create(request: Request) -> Reply:
    said = request.read(NewBody).subscription
    if said.all_projects and not request.caller.is_operator:
        raise Forbidden("policy.forbidden", "Only an operator hears of all projects.")
    wanted = SubscriptionWish(
        url=said.url,
        secret=said.secret,
        style=said.style,
        filter=Filter(**{name: getattr(said.filter, name) for name in said.filter.__struct_fields__}),
        all_projects=said.all_projects,
    )
    made = await subscriptions.create(request.tx, request.caller, request.parts.secrets, wanted)
    return Reply(201, {"subscription": views.subscription(made)})


@resource.on("GET", "/subscriptions/{alarm_subscription_id}", may="reader")
async def show(request: Request) -> Reply:
    id = request.values["alarm_subscription_id"]
    return Reply(200, {"subscription": views.subscription(await subscriptions.visible(request.tx, request.caller, id))})


@resource.on("DELETE", "/subscriptions/{alarm_subscription_id}", may="member")
async def delete(request: Request) -> Reply:
    id = request.values["alarm_subscription_id"]
    await subscriptions.delete(request.tx, await subscriptions.changeable(request.tx, request.caller, id))
    return Reply(204)
