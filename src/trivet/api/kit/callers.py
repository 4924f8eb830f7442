"""Callers: who is asking, and what a route lets them do.

A route names its policy beside its handler, in one word; the word generates the check, the reference
page and the test. Roles imply each other: reader < member < manager < admin.

    public         nobody in particular: no token is looked at
    host           the agent of a host, by the host's credential; no token is looked at
    token          anyone with a valid token, whatever its scope
    shared         anyone, with a token or none: what the owner of the thing says decides, in its own room
    reader         may look, within the project of the token (or the system, or a domain)
    member         may change, within the project of the token
    manager        may change what a manager of the project of the token looks after
    admin          the operator: role admin (with strict scope: only when scoped to the system)
    operator       as admin; and a system reader may, too, where the method only looks
    service        as operator; and the role service may, which other parts of a cloud have (a scheduler, say)

What a caller may see among records of others is decided in `domain/`: by project, and where a route says `token`, by
what it names with `decides`.
"""

from typing import Literal

from trivet.api.kit.request import Request
from trivet.domain.callers import Caller
from trivet.errors import Forbidden

Policy = Literal["public", "host", "token", "shared", "reader", "member", "manager", "admin", "operator", "service"]

Decision = Literal[
    "anyone", "oneself", "owner", "sides", "domain", "within", "person", "roles", "scope", "subject", "service",
    "system", "usage", "key roles", "keys", "engine",
]  # fmt: skip
DECISIONS: dict[Decision, str] = {
    "anyone": "who has a token; the answer is the same for all",
    "oneself": "who has a token, and hears only about himself",
    "owner": "whose it is; the operator; a reader of the system looks, and sees no secrets",
    "sides": "the two whom a trust is between; the operator; a reader of the system looks",
    "domain": "a manager of the domain it is in, a reader of it looks; the operator; a reader of the system looks",
    "within": "as domain; and who acts within it looks at it",
    "person": "as domain; and each looks at himself",
    "roles": "the operator; a reader of the system, and a manager of a domain the roles that he gives, look",
    "scope": "who acts in the project or domain that it is for; the operator; a reader of the system looks",
    "subject": "whose token it is; the operator; a service, and a reader of the system, look",
    "service": "the operator; a service",
    "system": "the operator; a reader of the system looks",
    "usage": "a reader of the project; the operator; a service",
    "key roles": "who acts in a project, in the project: member, or creator, observer and audit as they were before it",
    "keys": "as key roles, whose project it is, unless it is private; who is in its access list reads it",
    "engine": "the engine that answers, by its own rules: operators; owners and lessees, what is theirs",
}
"""What decides who may use a route, where the role alone does not."""

HOST_HEADER = "x-trivet-host-secret"
"""The header in which the agent of a host shows its credential."""
NO_TOKEN: tuple[Policy, ...] = ("public", "host")


def by_token(request: Request) -> Caller:
    """Whom the request's X-Auth-Token speaks for."""
    token = request.header("x-auth-token")
    if token is None:
        raise Forbidden(
            "token.missing", "The request you have made requires authentication: send X-Auth-Token.", status=401
        )
    return request.parts.tokens.caller(token)


def check(policy: Policy, method: str, caller: Caller) -> None:
    if policy in (*NO_TOKEN, "token", "shared") or _allowed(policy, method, caller):
        return
    needs = f"the role {needed(policy)}"
    if policy in ("member", "manager") and caller.has(policy):
        needs = "a token for a project"
    raise Forbidden("policy.forbidden", f"You are not authorized to perform the requested action: it needs {needs}.")


def needed(policy: Policy) -> str:
    operator = "admin, or reader of the system"
    return {"operator": operator, "service": f"service, {operator}"}.get(policy, policy)


def _allowed(policy: Policy, method: str, caller: Caller) -> bool:
    if policy == "admin":
        return caller.is_operator
    if policy in ("operator", "service"):
        looking = method in ("GET", "HEAD")
        named = policy == "service" and caller.has("service")
        return named or caller.is_operator or (looking and caller.system and caller.has("reader"))
    if caller.is_operator:
        return True
    if policy == "reader":
        return caller.has("reader")
    # Writing belongs to a project: who acts for a domain or the system owns nothing that he could change.
    return caller.project_id is not None and caller.has(policy)
