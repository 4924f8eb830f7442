"""What a client says beside the path: in the query, in the body, or some here and some there, which means the same."""

from typing import TypeVar

import msgspec

from trivet.api.kit.request import Request
from trivet.domain.servers.actions import Call
from trivet.domain.servers.containers import containers, states
from trivet.domain.servers.containers.asking import Asked
from trivet.domain.servers.servers import Server
from trivet.errors import Forbidden, Invalid

T = TypeVar("T")
_TRUE = ("1", "true", "on", "yes", "t", "y")
_FALSE = ("0", "false", "off", "no", "f", "n")


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where nothing is to be said."""


def words(request: Request, kind: type[T]) -> T:
    """Read as `kind`, which forbids what it does not know; None in a query means nothing was said."""
    found: dict[str, object] = {name: value for name, value in request.query if value != "None"}
    if request.body:
        found |= request.read_object()
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        why = str(error).replace("`$.", "`").replace(" - at `$`", "")
        raise Invalid("body.invalid", f"Invalid input: {why}.") from error


def flag(said: bool | str | None, name: str, *, otherwise: bool) -> bool:
    if said is None:
        return otherwise
    low = str(said).lower()
    if low in _TRUE:
        return True
    if low in _FALSE:
        return False
    raise Invalid("body.invalid", f"Valid {name} values are: {', '.join((*_TRUE, *_FALSE))}")


def call_of(request: Request) -> Call:
    return Call(request.caller, request.id, request.parts.settings.container_isolation)


def asked(request: Request) -> Asked:
    return Asked(call_of(request), request.values["container_ident"])


async def found(request: Request, *, everywhere: bool = False) -> Server:
    """The container that the path names. Operators find everybody's."""
    caller = request.caller
    return await containers.called(
        request.tx, caller, request.values["container_ident"], everywhere=everywhere or caller.is_operator
    )


async def present(request: Request, action: str | None = None) -> None:
    """NotFound, where no transaction is open, before anything else is said; and Conflict if its state forbids it."""
    async with request.parts.store.read() as tx:
        request.within(tx)
        server = await found(request)
        if action is not None:
            states.check(server, action)


def all_projects(request: Request, said: bool | str | None) -> bool:
    """Whether everybody's are meant, which only an operator may say."""
    wanted = flag(said, "all_projects", otherwise=False)
    if wanted:
        operator_only(request, "all_projects")
    return wanted


def operator_only(request: Request, what: str) -> None:
    if not request.caller.is_operator:
        raise Forbidden("policy.forbidden", f"Policy doesn't allow {what} to be performed.")
