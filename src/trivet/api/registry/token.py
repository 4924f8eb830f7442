"""/v2/: whether one is let in at all, and /v2/token: where clients fetch what lets them in."""

import base64
import binascii
from urllib.parse import parse_qsl

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.identity.people.naming import unauthorized
from trivet.domain.registry import access
from trivet.errors import Invalid

resource = Resource()

_FIELDS_MAX = 50


@resource.on("GET", "/", may="token", decides="anyone", tx="none")
async def index(request: Request) -> Reply:
    return Reply(200, {})


@resource.on("GET", "/token", may="public", tx="none")
async def by_basic(request: Request) -> Reply:
    """As docker's clients ask: who one is stands in the header."""
    kind, _, shown = (request.header("authorization") or "").partition(" ")
    if kind.lower() != "basic":
        raise unauthorized("Log in first: this cloud gives nothing to those who do not say who they are.")
    try:
        user, _, password = base64.b64decode(shown.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise unauthorized() from error
    return await _told(request, user, password, request.asked_all("scope"))


@resource.on("POST", "/token", may="public", tx="none", body_max=64 << 10)
async def by_form(request: Request) -> Reply:
    """As OAuth 2 has it, and containerd tries first: who one is stands in the form."""
    try:
        said = dict(parse_qsl(request.body.decode(), max_num_fields=_FIELDS_MAX, errors="strict"))
    except ValueError as error:
        raise Invalid("token.form", f"The form cannot be read: {error}.") from error
    if said.get("grant_type") != "password":
        raise Invalid("token.grant_type", "Ask with grant_type=password; nothing else is given out here.")
    return await _told(request, said.get("username", ""), said.get("password", ""), [said.get("scope", "")])


async def _told(request: Request, user: str, password: str, scopes: list[str]) -> Reply:
    asked = [access.scope(one) for text in scopes for one in text.split()]
    who = await access.login(request.parts, user, password)
    granted = await access.token(request.parts, who, asked)
    token = request.parts.tokens.issue(granted)
    now = request.parts.clock.now()
    body = {
        "token": token,
        "access_token": token,
        "expires_in": max(int(granted.ends_at - now), 1),
        "issued_at": iso(now),
        "scope": " ".join(f"repository:{name}:{actions}" for name, actions, _ in granted.repositories or ()),
    }
    return Reply(200, body, [(b"cache-control", b"no-store")])
