"""/v1/subscriptions of SOL003, clause 7.4.4. What is sent to the callback is signed like every webhook of ours."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.alarms import sol003, subscriptions
from trivet.domain.alarms.subscriptions import Filter, Subscription, SubscriptionWish
from trivet.domain.alarms.words import EventType, Severity
from trivet.errors import Invalid, NotFound
from trivet.store.where import Where

resource = Resource()
_Few = msgspec.Meta(max_length=10)
_SPELLING = lists.Spelling(
    limit=100,
    limit_max=1000,
    wrong=lambda name, said: Invalid("query.invalid", f"{name} must be a whole number, not {said[:32]!r}."),
    absent=lambda marker: Invalid("marker.absent", f"There is no page after {marker[:64]}."),
)


class Basic(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Given by whoever wants his webhook signed: the secret is the key of the signature."""

    user_name: Annotated[str, msgspec.Meta(max_length=255)] = ""
    password: Annotated[str, msgspec.Meta(min_length=16, max_length=255)]


class Authentication(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    auth_type: Annotated[tuple[Literal["BASIC"], ...], msgspec.Meta(min_length=1, max_length=1)]
    params_basic: Basic


class FmFilter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    notification_types: Annotated[tuple[str, ...], _Few] = ()
    perceived_severities: Annotated[tuple[Severity, ...], _Few] = ()
    event_types: Annotated[tuple[EventType, ...], _Few] = ()


class FmSubscriptionRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    callback_uri: Annotated[str, msgspec.Meta(min_length=1, max_length=2000, pattern=r"^https?://[!-~]+\Z")]
    filter: FmFilter = FmFilter()
    authentication: Authentication | UnsetType = UNSET


@resource.on("POST", "/v1/subscriptions", may="member")
async def create(request: Request) -> Reply:
    said = request.read(FmSubscriptionRequest)
    if said.authentication is UNSET:
        raise Invalid(
            "alarm_subscription.secret",
            "authentication with authType BASIC and paramsBasic must be given: its password (16 letters at least) is "
            "the key by which what is sent is signed.",
        )
    wanted = SubscriptionWish(
        url=said.callback_uri,
        secret=said.authentication.params_basic.password,
        style="sol003",
        filter=Filter(severities=said.filter.perceived_severities, event_types=said.filter.event_types),
    )
    made = await subscriptions.create(request.tx, request.caller, request.parts.secrets, wanted)
    view = _view(request, made)
    return Reply(201, view, [(b"location", view["_links"]["self"]["href"].encode())])


@resource.on("GET", "/v1/subscriptions", may="reader")
async def index(request: Request) -> Reply:
    seen = _mine(request)
    asked = lists.asked(request, _SPELLING, subscriptions.OLDEST)
    found = await subscriptions.page(request.tx, seen.copy(), asked, seen=seen)
    return Reply(200, [_view(request, one) for one in found])


@resource.on("GET", "/v1/subscriptions/{alarm_subscription_id}", may="reader")
async def show(request: Request) -> Reply:
    id = request.values["alarm_subscription_id"]
    return Reply(200, _view(request, _need(await subscriptions.visible(request.tx, request.caller, id))))


@resource.on("DELETE", "/v1/subscriptions/{alarm_subscription_id}", may="member")
async def delete(request: Request) -> Reply:
    id = request.values["alarm_subscription_id"]
    await subscriptions.delete(request.tx, _need(await subscriptions.changeable(request.tx, request.caller, id)))
    return Reply(204)


def _mine(request: Request) -> Where:
    return subscriptions.seen_by(request.caller).equal("style", "sol003")


def _need(found: Subscription) -> Subscription:
    if found.style != "sol003":
        raise NotFound("alarm_subscription.absent", f"Subscription {found.id} could not be found.")
    return found


def _view(request: Request, found: Subscription) -> dict[str, Any]:
    return {
        "id": found.id,
        "filter": sol003.filter_of(found),
        "callbackUri": found.url,
        "_links": {"self": {"href": f"{request.url}/v1/subscriptions/{found.id}"}},
    }
