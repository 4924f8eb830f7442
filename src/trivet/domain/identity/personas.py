"""Personas: who may look at or change the things of identity.

The operator everything; a reader of the system looks at everything; a reader of a domain looks at its users,
groups and projects, and a manager of a domain changes them; everybody sees himself. Whoever may not look at
a thing is refused the same way whether it exists or not, so ids cannot be probed.
"""

from trivet.domain.callers import Caller
from trivet.errors import Forbidden
from trivet.store.where import Where


def refusal(action: str) -> Forbidden:
    return Forbidden("policy.forbidden", f"You are not authorized to perform the requested action: {action}.")


def sees_all(caller: Caller) -> bool:
    return caller.is_operator or (caller.system and caller.has("reader"))


def looks_at(caller: Caller, domain_id: str | None) -> bool:
    return sees_all(caller) or (domain_id is not None and caller.domain_id == domain_id and caller.has("reader"))


def manages(caller: Caller, domain_id: str | None) -> bool:
    return caller.is_operator or (domain_id is not None and caller.domain_id == domain_id and caller.has("manager"))


def need_look(caller: Caller, domain_id: str | None, action: str) -> None:
    if not looks_at(caller, domain_id):
        raise refusal(action)


def need_manage(caller: Caller, domain_id: str | None, action: str) -> None:
    if not manages(caller, domain_id):
        raise refusal(action)


def need_operator(caller: Caller, action: str) -> None:
    if not caller.is_operator:
        raise refusal(action)


def need_sees_all(caller: Caller, action: str) -> None:
    if not sees_all(caller):
        raise refusal(action)


def listed(caller: Caller, action: str) -> Where:
    """What of a list over domains the caller sees, of things that are in one each."""
    only = list_domain(caller, action)
    return Where() if only is None else Where().equal("domain_id", only)


def list_domain(caller: Caller, action: str) -> str | None:
    """For lists over domains: None is all of them, else the one that the caller may list."""
    if caller.domain_id is not None and caller.has("reader"):
        return caller.domain_id
    need_sees_all(caller, action)
    return None
