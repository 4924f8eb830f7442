"""Writing: identity's own way to declare a route that changes something.

What it changed is applied to this process (revoked tokens, forgotten memos) before the client has its answer;
the other processes hear of it through the log.
"""

from collections.abc import Awaitable, Callable

from trivet.api.kit.callers import Policy
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Handler, Resource
from trivet.domain import revocations
from trivet.store.store import transact
from trivet.store.tx import Tx


def writes(resource: Resource, method: str, path: str, *, may: Policy) -> Callable[[Handler], Handler]:
    def declare(handler: Handler) -> Handler:
        async def run(request: Request) -> Reply:
            last: list[Tx] = []

            def act(tx: Tx) -> Awaitable[Reply]:
                last[:] = [tx]
                request.within(tx)
                return handler(request)

            reply = await transact(request.parts.store, act)
            for change in last[0].changes:
                revocations.apply(request.parts.tokens, change)
            return reply

        run.__name__ = handler.__name__
        run.__doc__ = handler.__doc__
        run.__module__ = handler.__module__
        resource.on(method, path, may=may, tx="none")(run)
        return handler

    return declare
