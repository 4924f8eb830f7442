"""OAuth 1: consumers, what a user authorises, and how requests are signed."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
from tests.api.identity.identity_cloud import Cloud
from tests.api.one_service import Answer

HASHES = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256, "HMAC-SHA512": hashlib.sha512}
LOGIN = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}


def escaped(text: str) -> str:
    return quote(text, safe="-._~")


async def signed(identity: Cloud, method: str, path: str, key: dict[str, str], **how: Any) -> Answer:
    oauth = {
        "oauth_consumer_key": key["consumer"],
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(int(identity.clock.now())),
        "oauth_nonce": identity.store.ids.hex(),
        "oauth_version": "1.0",
        **how.pop("oauth", {}),
    }
    pairs = "&".join(f"{escaped(name)}={escaped(oauth[name])}" for name in sorted(oauth))
    text = f"{method}&{escaped(f'http://cloud:8774/identity{path}')}&{escaped(pairs)}".encode()
    secret = f"{key['secret']}&{key.get('token_secret', '')}"
    oauth["oauth_signature"] = secret
    if oauth["oauth_signature_method"] in HASHES:
        made = hmac.new(secret.encode(), text, HASHES[oauth["oauth_signature_method"]])
        oauth["oauth_signature"] = base64.b64encode(made.digest()).decode()
    header = "OAuth " + ", ".join(f'{name}="{escaped(value)}"' for name, value in oauth.items())
    headers = {"authorization": header, **how.pop("headers", {})}
    return await identity.call(method, f"/identity{path}", how.pop("body", None), token=None, headers=headers)


def said(answer: Answer) -> dict[str, str]:
    assert answer.status == 201, answer.raw
    return {name: values[0] for name, values in parse_qs(answer.raw.decode()).items()}


class Program:
    """A consumer, and a member of the project admin who may let it act for him."""

    def __init__(self, identity: Cloud) -> None:
        self.identity = identity
        self.key: dict[str, str] = {}
        self.user_id = ""
        self.token = ""

    async def fill(self) -> None:
        consumer = await self.identity.make("consumer", "OS-OAUTH1/consumers", description="d")
        self.key = {"consumer": consumer["id"], "secret": consumer["secret"]}
        user = await self.identity.make("user", "users", name="u", password="pw")
        self.user_id = user["id"]
        await self.identity.grant(self.user_id, "member", project=self.identity.project_id)
        self.token = await self.identity.token("u", "pw", {"project": {"id": self.identity.project_id}})

    async def ask(self, **how: Any) -> Answer:
        headers = {"requested-project-id": self.identity.project_id}
        oauth = {"oauth_callback": "oob", **how}
        path = "/v3/OS-OAUTH1/request_token"
        return await signed(self.identity, "POST", path, self.key, oauth=oauth, headers=headers)

    async def authorize(self, request_token: dict[str, str], role: str = "reader") -> Answer:
        path = f"/identity/v3/OS-OAUTH1/authorize/{request_token['oauth_token']}"
        return await self.identity.call("PUT", path, {"roles": [{"name": role}]}, token=self.token)

    async def change(self, request_token: dict[str, str], verifier: str, **how: Any) -> Answer:
        key = self.key | {"token_secret": request_token["oauth_token_secret"]}
        oauth = {"oauth_token": request_token["oauth_token"], "oauth_verifier": verifier, **how}
        return await signed(self.identity, "POST", "/v3/OS-OAUTH1/access_token", key, oauth=oauth)

    async def access(self) -> dict[str, str]:
        request_token = said(await self.ask())
        told = await self.authorize(request_token)
        return said(await self.change(request_token, told.body["token"]["oauth_verifier"]))

    async def login(self, access: dict[str, str], **how: Any) -> Answer:
        key = self.key | {"token_secret": access["oauth_token_secret"]}
        oauth = {"oauth_token": access["oauth_token"], **how}
        return await signed(self.identity, "POST", "/v3/auth/tokens", key, oauth=oauth, body=LOGIN)


@pytest.fixture
async def program(identity: Cloud) -> Program:
    found = Program(identity)
    await found.fill()
    return found


async def test_a_consumer_acts_with_what_its_user_authorised(identity: Cloud, program: Program) -> None:
    request_token = said(await program.ask())
    assert (await program.authorize(request_token, "admin")).status == 403
    told = await program.authorize(request_token)
    assert (await program.change(request_token, "wrong")).status == 401
    access = said(await program.change(request_token, told.body["token"]["oauth_verifier"]))
    logged_in = await program.login(access)
    assert logged_in.status == 201
    assert [role["name"] for role in logged_in.body["token"]["roles"]] == ["reader"]
    assert logged_in.body["token"]["user"]["id"] == program.user_id
    assert logged_in.body["token"]["OS-OAUTH1"]["consumer_id"] == program.key["consumer"]
    own = f"/identity/v3/users/{program.user_id}/OS-OAUTH1/access_tokens/{access['oauth_token']}"
    assert (await identity.get(f"{own}/roles", token=program.token)).body["roles"][0]["name"] == "reader"
    assert (await identity.call("DELETE", own, token=program.token)).status == 204
    dead = logged_in.headers["x-subject-token"]
    assert (await identity.get("/identity/v3/auth/projects", token=dead)).status == 401


@pytest.mark.parametrize("method", [*HASHES, "PLAINTEXT"])
async def test_a_request_is_signed_in_each_way_that_clients_know(program: Program, method: str) -> None:
    how = {"oauth_signature_method": method}
    request_token = said(await program.ask(**how))
    told = await program.authorize(request_token)
    access = said(await program.change(request_token, told.body["token"]["oauth_verifier"], **how))
    assert (await program.login(access, **how)).status == 201
    assert (await program.login(access | {"oauth_token_secret": "wrong"}, **how)).status == 401


async def test_a_way_of_signing_that_nobody_knows_is_refused_with_those_that_are(program: Program) -> None:
    refused = await program.ask(oauth_signature_method="ROT13")
    assert "PLAINTEXT" in refused.refused(400)


async def test_what_was_signed_once_is_not_good_twice(program: Program) -> None:
    """The class: each request that is signed, with the secret of a consumer alone or with a token's, too."""
    access = await program.access()
    assert [(await program.login(access, oauth_nonce="n")).status for _ in range(3)] == [201, 401, 401]
    assert [(await program.ask(oauth_nonce="n")).status for _ in range(2)] == [201, 401]
    request_token = said(await program.ask())
    told = await program.authorize(request_token)
    assert (await program.change(request_token, "wrong", oauth_nonce="n")).status == 401
    assert (await program.change(request_token, told.body["token"]["oauth_verifier"])).status == 201


@pytest.mark.parametrize("how", [
    {"oauth_timestamp": "\u00b2"}, {"oauth_timestamp": "-1"}, {"oauth_timestamp": "9" * 30}, {"oauth_timestamp": ""},
    {"oauth_nonce": "n" * 256}, {"oauth_nonce": ""},
])  # fmt: skip
async def test_a_request_that_cannot_be_read_is_refused(program: Program, how: dict[str, str]) -> None:
    assert (await program.ask(**how)).status == 400
