"""Where keystone itself was asked the same: what it answers, call by call. Each was seen to differ."""

from typing import Any

import pytest
from tests.api.identity.identity_cloud import Cloud, identity

__all__ = ["identity"]

V3 = "/identity/v3"
MADE: dict[str, dict[str, Any]] = {
    "users": {"name": "u"},
    "roles": {"name": "r"},
    "domains": {"name": "d"},
    "regions": {"id": "r1"},
    "services": {"type": "t", "name": "s"},
    "endpoints": {"interface": "public", "url": "http://x"},
    "policies": {"type": "t", "blob": "b"},
    "OS-EP-FILTER/endpoint_groups": {"name": "g", "filters": {"interface": "public"}},
}
NOUN = {"policies": "policy", "OS-EP-FILTER/endpoint_groups": "endpoint_group"}
X = "f" * 32


async def made(identity: Cloud, plural: str) -> tuple[str, str]:
    noun = NOUN.get(plural, plural[:-1])
    words = dict(MADE[plural])
    if plural == "endpoints":
        words["service_id"] = (await identity.make("service", "services", type="t"))["id"]
    return noun, str((await identity.make(noun, plural, **words))["id"])


@pytest.mark.parametrize("plural", MADE)
async def test_no_change_at_all_is_refused_and_another_id_is_none(identity: Cloud, plural: str) -> None:
    noun, id = await made(identity, plural)
    path = f"{V3}/{plural}/{id}"
    assert (await identity.call("PATCH", path, {noun: {}})).status == 400
    assert (await identity.call("PATCH", path, {noun: {"id": "another"}})).status == 400
    assert (await identity.call("PATCH", path, {noun: {"id": id, "description": "d"}})).status == 200


@pytest.mark.parametrize(("noun", "plural"), [("project", "projects"), ("role", "roles"), ("domain", "domains")])
async def test_what_is_immutable_is_first_made_changeable_and_then_changed(
    identity: Cloud, noun: str, plural: str
) -> None:
    async def fixed(name: str) -> str:
        return f"{V3}/{plural}/{(await identity.make(noun, plural, name=name, options={'immutable': True}))['id']}"

    path = await fixed("one")
    both = {"name": "other", "options": {"immutable": False}}
    refused: tuple[dict[str, Any], ...] = (
        both,
        {"description": "d"},
        {"options": {"immutable": True}},
        {"options": {}},
    )
    for change in refused:
        assert (await identity.call("PATCH", path, {noun: change})).status == 403, change
    lifted = await identity.call("PATCH", path, {noun: {"options": {"immutable": False}}})
    assert lifted.ok(noun)["options"] == {"immutable": False}
    assert (await identity.call("PATCH", path, {noun: {"name": "other"}})).status == 200
    taken = await identity.call("PATCH", await fixed("two"), {noun: {"options": {"immutable": None}}})
    assert taken.ok(noun)["options"] == {}


async def test_options_that_are_not_said_stay(identity: Cloud) -> None:
    project = await identity.make("project", "projects", name="p", options={"immutable": False})
    changed = await identity.call("PATCH", f"{V3}/projects/{project['id']}", {"project": {"options": {}}})
    assert changed.ok("project")["options"] == {"immutable": False}


async def test_where_a_project_is_said_to_be_is_a_word_of_the_request(identity: Cloud) -> None:
    off = await identity.make("project", "projects", name="off", enabled=False)
    for words in ({"parent_id": X}, {"domain_id": X}, {"parent_id": off["id"]}):
        assert (await identity.call("POST", f"{V3}/projects", {"project": {"name": "p", **words}})).status == 400
    moved = await identity.call("PATCH", f"{V3}/projects/{off['id']}", {"project": {"parent_id": X}})
    assert moved.status == 403


async def test_a_user_is_known_only_to_providers_that_there_are(identity: Cloud) -> None:
    known = [{"idp_id": "elsewhere", "protocols": [{"protocol_id": "saml2", "unique_id": "u"}]}]
    body = {"user": {"name": "u", "federated": known}}
    assert (await identity.call("POST", f"{V3}/users", body)).status == 400
    at = f"{V3}/OS-FEDERATION/identity_providers/elsewhere"
    assert (await identity.call("PUT", at, {"identity_provider": {}})).status == 201
    assert (await identity.call("POST", f"{V3}/users", body)).status == 400, "nor by a protocol that it has not"


async def test_what_is_not_there_is_told_before_who_may(identity: Cloud) -> None:
    await identity.make("user", "users", name="u", password="pw")
    await identity.grant(
        (await identity.get(f"{V3}/users?name=u")).ok("users")[0]["id"], "member", project=identity.project_id
    )
    token = await identity.token("u", "pw", {"project": {"id": identity.project_id}})
    change = {"limit": {"resource_limit": 1}}
    for method, path, body in (
        ("GET", f"roles/{X}/implies", None),
        ("DELETE", f"roles/{X}/implies/{X}", None),
        ("PATCH", f"limits/{X}", change),
        ("DELETE", f"limits/{X}", None),
        ("DELETE", f"domains/{X}", None),
    ):
        assert (await identity.call(method, f"{V3}/{path}", body, token=token)).status == 404, path
    assert (await identity.call("DELETE", f"{V3}/domains/default", token=token)).status == 403


async def test_limits_name_services_and_regions_that_there_are(identity: Cloud) -> None:
    registered = (await identity.get(f"{V3}/registered_limits")).ok("registered_limits")[0]
    at = f"{V3}/registered_limits/{registered['id']}"
    for change in ({"service_id": X}, {"region_id": "nowhere"}):
        assert (await identity.call("PATCH", at, {"registered_limit": change})).status == 400, change
        limit = {name: registered[name] for name in ("service_id", "resource_name")} | change
        limit |= {"resource_limit": 1, "project_id": identity.project_id}
        assert (await identity.call("POST", f"{V3}/limits", {"limits": [limit]})).status == 400, change


async def test_endpoints_and_services_are_worded_as_the_catalog_can_use_them(identity: Cloud) -> None:
    service = await identity.make("service", "services", type="t")
    assert service["name"] == ""
    for words in ({"name": None}, {"name": ""}, {"name": "n" * 256}):
        assert (await identity.call("POST", f"{V3}/services", {"service": {"type": "t", **words}})).status == 400, words
    base = {"interface": "public", "service_id": service["id"]}
    for tail, status in (("$(tenant_id)s", 201), ("%(project_id)s", 201), ("$(tenant_id)d", 400), ("$(tenant_id", 400)):
        endpoint = {"endpoint": base | {"url": f"http://x/{tail}"}}
        assert (await identity.call("POST", f"{V3}/endpoints", endpoint)).status == status, tail


async def test_what_a_project_sees_of_endpoints_is_given_once(identity: Cloud) -> None:
    _, endpoint = await made(identity, "endpoints")
    _, group = await made(identity, "OS-EP-FILTER/endpoint_groups")
    project, root = identity.project_id, f"{V3}/OS-EP-FILTER"
    for path in (f"endpoint_groups/{group}/projects/{project}", f"projects/{project}/endpoints/{endpoint}"):
        assert [(await identity.call("PUT", f"{root}/{path}")).status for _ in range(2)] == [204, 409]
    shown = await identity.get(f"{root}/endpoint_groups/{group}/projects/{project}")
    assert shown.ok("project_endpoint_group")["project_id"] == project
    assert (await identity.get(f"{root}/projects/{X}/endpoint_groups")).status == 404
    empty = {"endpoint_group": {"name": "e", "filters": {}}}
    assert (await identity.call("POST", f"{root}/endpoint_groups", empty)).status == 400
    _, policy = await made(identity, "policies")
    assert (
        await identity.call("DELETE", f"{V3}/policies/{policy}/OS-ENDPOINT-POLICY/endpoints/{endpoint}")
    ).status == 204


async def test_only_a_project_has_a_catalog_of_its_own(identity: Cloud) -> None:
    user = await identity.make("user", "users", name="u", password="pw")
    reader = await identity.role_id("reader")
    for at in (f"projects/{identity.project_id}", "domains/default", "system"):
        assert (await identity.call("PUT", f"{V3}/{at}/users/{user['id']}/roles/{reader}")).status == 204
    scopes: tuple[tuple[Any, int], ...] = (
        ({"project": {"id": identity.project_id}}, 200),
        ({"domain": {"id": "default"}}, 403),
        ({"system": {"all": True}}, 403),
    )
    for scope, status in scopes:
        token = await identity.token("u", "pw", scope)
        assert (await identity.get(f"{V3}/auth/catalog", token=token)).status == status, scope


async def test_an_option_that_nobody_may_see_can_be_set_and_taken_away(identity: Cloud) -> None:
    domain = await identity.make("domain", "domains", name="d")
    at = f"{V3}/domains/{domain['id']}/config"
    assert (await identity.call("DELETE", at)).status == 204, "what is not there is gone already"
    ldap = {"config": {"ldap": {"url": "ldap://x", "password": "p"}}}
    assert (await identity.call("PUT", at, ldap)).status == 201
    hidden = f"{at}/ldap/password"
    assert (await identity.get(hidden)).status == 404
    changed = await identity.call("PATCH", hidden, {"config": {"password": "q"}})
    assert changed.ok("config") == {"ldap": {"url": "ldap://x"}}
    assert [(await identity.call("DELETE", hidden)).status for _ in range(2)] == [204, 404]


async def test_roles_that_are_lent_are_named_by_id_or_name(identity: Cloud) -> None:
    me = (await identity.get(f"{V3}/users?name=admin")).ok("users")[0]["id"]
    for number, (role, status) in enumerate(
        (({"id": X}, 400), ({"name": "none-such"}, 404), ({"foo": X}, 400), ({}, 400))
    ):
        wanted = {"name": str(number), "roles": [role]}
        answer = await identity.call(
            "POST", f"{V3}/users/{me}/application_credentials", {"application_credential": wanted}
        )
        assert answer.status == status, (role, answer.raw)
    assert (await identity.get(f"{V3}/OS-TRUST/trusts/{X}")).status == 404
