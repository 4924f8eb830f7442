"""Writing: identity's own way to declare a route that changes something.

What it changed is applied to this process (revoked tokens, forgotten memos) before the client has its answer;
the other processes hear of it through the log.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

from trivet.api.kit.callers import Decision, Policy
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Handler, Resource
from trivet.domain.callers import Caller
from trivet.domain.identity import personas
from trivet.domain.identity.tokens import revocations
from trivet.errors import Busy
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Change, Tx

_logger = logging.getLogger(__name__)
T = TypeVar("T")


async def commit(parts: Parts, act: Callable[[Tx], Awaitable[T]], caller: Caller | None = None) -> T:
    """`caller`: whose token asks for it. What is written outlives the token, so the database is asked about that."""

    async def checked(tx: Tx) -> T:
        if caller is not None:
            await revocations.refuse_dead(tx, parts.tokens, caller)
        return await act(tx)

    result, changes = await _applied(parts, checked)
    cuts = revocations.made_in(changes)
    if cuts:
        try:
            await _applied(parts, lambda tx: revocations.cut_later(tx, cuts))
        except Busy as error:
            # What was asked is done, and all that was open before it is cut.
            _logger.warning("Logins of this very moment may have slipped past a revocation: %s", error)
    return result


async def _applied(parts: Parts, act: Callable[[Tx], Awaitable[T]]) -> tuple[T, list[Change]]:
    last: list[Tx] = []

    def run(tx: Tx) -> Awaitable[T]:
        last[:] = [tx]
        return act(tx)

    result = await transact(parts.store, run)
    for change in last[0].changes:
        revocations.apply(parts.tokens, parts.identity_memory, change)
    return result, last[0].changes


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


def writes(
    resource: Resource, method: str, path: str, *, may: Policy, decides: Decision | None = None
) -> Callable[[Handler], Handler]:
    """The handler runs in one transaction, perhaps more than once, as with resource.on.

    `admin` here is the operator of the whole cloud: a token for one domain is not enough.
    """

    def declare(handler: Handler) -> Handler:
        @wraps(handler)
        async def run(request: Request) -> Reply:
            if may == "admin":
                _refuse_domain_scope(request)

            def act(tx: Tx) -> Awaitable[Reply]:
                request.within(tx)
                return handler(request)

            return await commit(request.parts, act, None if may == "public" else request.caller)

        resource.on(method, path, may=may, decides=decides, tx="none")(run)
        return handler

    return declare
