"""/v3/auth/tokens: a token for a proof, what a token says, and the end of one."""

from typing import Any

import msgspec

from trivet.api.identity.delegation import oauth as oauth_dialect
from trivet.api.identity.writing import writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.callers import Caller
from trivet.domain.identity.login import delegated as delegation
from trivet.domain.identity.login import methods as auth_methods
from trivet.domain.identity.login import token_facts
from trivet.domain.identity.login.methods import Identity
from trivet.domain.identity.login.receipts import MoreNeeded
from trivet.domain.identity.login.scoping import ProjectRef
from trivet.domain.identity.people import projects
from trivet.domain.identity.people.naming import DomainRef
from trivet.domain.identity.tokens import revocations
from trivet.errors import Forbidden, Invalid, NotFound, TrivetError

resource = Resource()

_VARY = (b"vary", b"X-Auth-Token")


class SystemScope(msgspec.Struct, frozen=True):
    all: bool = False


class TrustScope(msgspec.Struct, frozen=True):
    id: str


class ScopeAsked(msgspec.Struct, frozen=True):
    project: ProjectRef | None = None
    domain: DomainRef | None = None
    system: SystemScope | None = None
    trust: TrustScope | None = msgspec.field(name="OS-TRUST:trust", default=None)
    unscoped: Any = msgspec.UNSET


class AuthAsked(msgspec.Struct, frozen=True):
    identity: Identity
    scope: ScopeAsked | str | None = None


class AuthBody(msgspec.Struct, frozen=True):
    auth: AuthAsked


@resource.on("POST", "/v3/auth/tokens", may="public", tx="none")
async def issue(request: Request) -> Reply:
    asked = request.read(AuthBody).auth
    try:
        if asked.identity.methods == ("oauth1",):
            return await _issued(request, await delegation.by_oauth(request.parts, oauth_dialect.signed(request)))
        receipt = request.header("openstack-auth-receipt")
        caller = await auth_methods.login(request.parts, asked.identity, _scope(asked.scope), receipt)
    except MoreNeeded as more:
        return await _receipt(request, more)
    return await _issued(request, caller)


async def _issued(request: Request, caller: Caller) -> Reply:
    return await _told(request, 201, caller, request.parts.tokens.issue(caller).encode())


async def _told(request: Request, status: int, subject: Caller, token: bytes) -> Reply:
    """What a token says; the token itself goes in a header."""
    parts, with_catalog = request.parts, request.asked("nocatalog") is None
    memory = parts.identity_memory
    body = await token_facts.encoded(parts.store, memory, parts.settings.url, subject, with_catalog=with_catalog)
    return Reply(status, body, [(b"x-subject-token", token), _VARY], content_type="application/json")


async def _receipt(request: Request, more: MoreNeeded) -> Reply:
    async with request.parts.store.read() as tx:
        domain = await projects.need(tx, more.user.domain_id, noun="domain")
    user = {"id": more.user.id, "name": more.user.name, "domain": {"id": domain.id, "name": domain.name}}
    receipt = {
        "methods": list(more.caller.methods),
        "user": user,
        "issued_at": iso_micros(more.caller.issued_at, "Z"),
        "expires_at": iso_micros(more.caller.ends_at, "Z"),
    }
    headers = [(b"openstack-auth-receipt", more.receipt.encode()), _VARY]
    return Reply(401, {"receipt": receipt, "required_auth_methods": more.rules}, headers)


@resource.on("GET", "/v3/auth/tokens", may="token", decides="subject", tx="none")
async def show(request: Request) -> Reply:
    subject = _subject(request)
    caller = request.caller
    if subject.user_id != caller.user_id and not (
        caller.is_operator or caller.has("service") or (caller.system and caller.has("reader"))
    ):
        raise Forbidden("policy.forbidden", "You are not authorized to perform the requested action: validate_token.")
    _refuse_unheeded(request, subject)
    return await _told(request, 200, subject, request.headers[b"x-subject-token"])


def _refuse_unheeded(request: Request, subject: Caller) -> None:
    """A service that does not say that it heeds access rules must not take a token that was narrowed by some."""
    if subject.access_rules is not None and not request.header("openstack-identity-access-rules"):
        raise NotFound("token.absent", "Could not find token: it is for services that heed access rules.")


@writes(resource, "DELETE", "/v3/auth/tokens", may="token", decides="subject")
async def revoke(request: Request) -> Reply:
    subject = _subject(request)
    if subject.user_id != request.caller.user_id and not request.caller.is_operator:
        raise Forbidden("policy.forbidden", "You are not authorized to perform the requested action: revoke_token.")
    await revocations.cut(request.tx, "token", subject.audit_id, of=revocations.under(subject))
    return Reply(204)


def _subject(request: Request) -> Caller:
    token = request.headers.get(b"x-subject-token")
    if token is None:
        raise Invalid("token.subject_missing", "Send the token to look at as X-Subject-Token.")
    if token == request.headers.get(b"x-auth-token"):
        return request.caller
    try:
        return request.parts.tokens.caller(token.decode("latin-1"))
    except TrivetError as error:
        raise NotFound("token.absent", "Could not find token.") from error


def _scope(asked: ScopeAsked | str | None) -> auth_methods.ScopeAsked:
    if asked is None:
        return auth_methods.ScopeAsked()
    if isinstance(asked, str):
        if asked != "unscoped":
            raise Invalid("auth.scope", "scope is an object, or the word unscoped.")
        return auth_methods.ScopeAsked(unscoped=True)
    if asked.system is not None and not asked.system.all:
        raise Invalid("auth.scope", "The system scope is asked for with {'all': true}.")
    chosen = auth_methods.ScopeAsked(
        project=asked.project,
        domain=asked.domain,
        system=asked.system is not None,
        trust_id=asked.trust.id if asked.trust else None,
        unscoped=asked.unscoped is not msgspec.UNSET,
    )
    if sum((bool(chosen.project), bool(chosen.domain), chosen.system, bool(chosen.trust_id), chosen.unscoped)) != 1:
        raise Invalid("auth.scope", "A token has one scope: a project, a domain, the system, a trust, or none.")
    return chosen
