"""Identity's own ways to declare a route: of what belongs to the whole cloud, and of what outlives its token."""

from collections.abc import Callable
from functools import wraps

from trivet.api.kit.callers import Decision, Policy
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Handler, Resource
from trivet.domain.identity import personas
from trivet.domain.identity.tokens import revocations
from trivet.store.tx import Tx


def looks(resource: Resource, path: str, method: str = "GET") -> Callable[[Handler], Handler]:
    """GET of what belongs to the whole cloud: for the operator, and for readers of the system."""

    def declare(handler: Handler) -> Handler:
        @wraps(handler)
        async def run(request: Request) -> Reply:
            _refuse_domain_scope(request)
            return await handler(request)

        return resource.on(method, path, may="operator")(run)

    return declare


def _refuse_domain_scope(request: Request) -> None:
    """A token for one domain does not act for the whole cloud, even with the role admin."""
    if request.caller.domain_id is not None:
        raise personas.refusal(f"{request.method} {request.path[:255]}")


async def refuse_dead(request: Request, tx: Tx) -> None:
    """What is written outlives the token that asks for it, so the database is asked whether that still lives."""
    await revocations.refuse_dead(tx, request.parts.tokens, request.caller)


def writes(
    resource: Resource, method: str, path: str, *, may: Policy, decides: Decision | None = None
) -> Callable[[Handler], Handler]:
    """`admin` here is the operator of the whole cloud: a token for one domain is not enough."""

    def declare(handler: Handler) -> Handler:
        @wraps(handler)
        async def run(request: Request) -> Reply:
            if may == "admin":
                _refuse_domain_scope(request)
            if may != "public":
                await refuse_dead(request, request.tx)
            return await handler(request)

        resource.on(method, path, may=may, decides=decides, tx="write")(run)
        return handler

    return declare
