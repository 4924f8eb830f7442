"""Access rules: what an application credential may call; everything else it may not.

The rules stand in the token, so whoever answers a request can hold it to them without a look-up. What a path may
have instead of words is in path_patterns.py.
"""

from collections.abc import Sequence

from trivet.domain.callers import Caller
from trivet.domain.identity import personas
from trivet.domain.identity.delegation import bounds, path_patterns
from trivet.domain.row_locks import hold
from trivet.errors import Forbidden, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class AccessRule(Record, frozen=True, kw_only=True):
    user_id: str
    service: str
    path: str
    method: str


ACCESS_RULES = Table("access_rules", AccessRule)
RULES_MAX = 50
PATHS_MAX = 4_096

_TOKENS = "/v3/auth/tokens"
"""What a token says may always be asked: services that we know nothing of ask it for their callers."""


def allowed(caller: Caller, service_types: tuple[str, ...], method: str, path: str) -> bool:
    """`path` as the service knows it, without the prefix under which this cloud serves it."""
    if caller.access_rules is None:
        return True
    if "identity" in service_types and method in ("GET", "HEAD") and path == _TOKENS:
        return True
    return any(
        service in service_types
        and (rule_method == method or (method == "HEAD" and rule_method == "GET"))
        and path_patterns.matches(pattern, path)
        for service, rule_method, pattern in caller.access_rules
    )


def _may_see(caller: Caller, user_id: str, action: str) -> None:
    """One's own; those of others only for who looks after the whole system."""
    if user_id != caller.user_id and not (caller.system and caller.has("reader")):
        raise personas.refusal(action)


def listed(caller: Caller, user_id: str) -> Where:
    _may_see(caller, user_id, "identity:list_access_rules")
    return Where().equal("user_id", user_id)


async def visible(tx: Tx, caller: Caller, user_id: str, id: str) -> AccessRule:
    _may_see(caller, user_id, "identity:get_access_rule")
    found = await tx.get(ACCESS_RULES, id)
    if found is None or found.user_id != user_id:
        raise NotFound("access_rule.absent", f"Could not find access rule: {id[:64]}.")
    return found


async def delete(tx: Tx, caller: Caller, user_id: str, id: str) -> None:
    if user_id != caller.user_id and not (caller.system and caller.has("admin")):
        raise personas.refusal("identity:delete_access_rule")
    found = await visible(tx, caller, user_id, id)
    await hold(tx, ACCESS_RULES, id)
    rows = await tx.rows("SELECT access_rule_ids FROM app_credentials WHERE user_id = ?", user_id)
    if any(id in (text or "") for (text,) in rows):
        raise Forbidden("access_rule.used", "An application credential has this access rule.")
    await tx.delete(ACCESS_RULES, found)


def check_together(rules: Sequence[tuple[str, str, str]]) -> None:
    """Bounds the rules of one application credential: each request looks at all of them, and they stand in its
    tokens."""
    if len(rules) > RULES_MAX or sum(len(path) for _, _, path in rules) > PATHS_MAX:
        raise Invalid(
            "access_rule.too_many",
            f"An application credential has at most {RULES_MAX} access rules, and their paths together at most"
            f" {PATHS_MAX} characters.",
        )


async def ensure(tx: Tx, user_id: str, service: str, path: str, method: str) -> AccessRule:
    """Equal rules of one user are one rule."""
    path_patterns.check(path)
    same = "user_id = ? AND service = ? AND path = ? AND method = ?"
    found = await tx.find(ACCESS_RULES, same, user_id, service, path, method)
    if found is not None:
        return found
    await bounds.check(tx, bounds.ACCESS_RULES, user_id)
    new = AccessRule(id=tx.ids.hex(), user_id=user_id, service=service, path=path, method=method)
    return await tx.insert(ACCESS_RULES, new)
