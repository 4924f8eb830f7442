"""Writing: identity's own way to declare a route that changes something.

What it changed is applied to this process (revoked tokens, forgotten memos) before the client has its answer;
the other processes hear of it through the log.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

from trivet.api.kit.callers import Policy
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Handler, Resource
from trivet.domain import revocations
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx

T = TypeVar("T")


async def commit(parts: Parts, act: Callable[[Tx], Awaitable[T]]) -> T:
    last: list[Tx] = []

    def run(tx: Tx) -> Awaitable[T]:
        last[:] = [tx]
        return act(tx)

    result = await transact(parts.store, run)
    for change in last[0].changes:
        revocations.apply(parts.tokens, change)
    return result


def writes(resource: Resource, method: str, path: str, *, may: Policy) -> Callable[[Handler], Handler]:
    """The handler runs in one transaction, perhaps more than once, as with resource.on."""

    def declare(handler: Handler) -> Handler:
        @wraps(handler)
        async def run(request: Request) -> Reply:
            def act(tx: Tx) -> Awaitable[Reply]:
                request.within(tx)
                return handler(request)

            return await commit(request.parts, act)

        resource.on(method, path, may=may, tx="none")(run)
        return handler

    return declare
