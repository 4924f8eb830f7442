"""Managers of a domain, and those in it who are more than they.

The class: whoever manages a domain acts on somebody who is more than he, and so becomes him or stops him. Every way of
being more is tried with every act that a manager has on a user, a group or a project, and each leaves things as they
were; the same acts on somebody who is not more are done.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.api.identity.identity_cloud import Cloud

API = "/identity/v3"
Act = tuple[str, str, Any]


class Domain:
    """A domain, its manager, and in it a user, a group and a project to act on; and others beside them."""

    def __init__(self, identity: Cloud) -> None:
        self.identity = identity
        self.ids: dict[str, str] = {}
        self.manager = ""

    async def fill(self) -> None:
        made = await self.identity.make("domain", "domains", name="own")
        self.ids["domain"] = made["id"]
        for name in ("user", "beside", "manager"):
            await self._make("user", name, password="pw")
        for name in ("group", "group_beside"):
            await self._make("group", name)
        for name in ("project", "project_beside"):
            await self._make("project", name)
        await self.identity.grant(self.ids["manager"], "manager", domain=self.ids["domain"])
        proof = {"methods": ["password"], "password": {"user": {"id": self.ids["manager"], "password": "pw"}}}
        answer = await self.identity.auth(proof, {"domain": {"id": self.ids["domain"]}})
        self.manager = answer.headers["x-subject-token"]
        for role in ("member", "reader"):
            self.ids[role] = await self.identity.role_id(role)

    async def _make(self, kind: str, name: str, **fields: Any) -> None:
        made = await self.identity.make(kind, f"{kind}s", name=name, domain_id=self.ids["domain"], **fields)
        self.ids[name] = made["id"]

    async def put(self, path: str) -> None:
        answer = await self.identity.call("PUT", f"{API}/{path.format(**self.ids)}")
        assert answer.status in (201, 204), answer.raw

    async def status(self, act: Act) -> int:
        method, path, body = act
        answer = await self.identity.call(method, f"{API}/{path.format(**self.ids)}", body, token=self.manager)
        return answer.status


@pytest.fixture
async def domain(identity: Cloud) -> AsyncIterator[Domain]:
    found = Domain(identity)
    await found.fill()
    for path in (
        "groups/{group}/users/{beside}",
        "groups/{group_beside}/users/{user}",
        "projects/{project}/users/{user}/roles/{member}",
        "projects/{project_beside}/users/{user}/roles/{member}",
        "projects/{project_beside}/groups/{group}/roles/{member}",
    ):
        await found.put(path)
    yield found


ON_USER: list[Act] = [
    ("PATCH", "users/{user}", {"user": {"password": "mine"}}),
    ("PATCH", "users/{user}", {"user": {"enabled": False}}),
    ("PATCH", "users/{user}", {"user": {"name": "other"}}),
    ("PATCH", "users/{user}", {"user": {"options": {"multi_factor_auth_enabled": False}}}),
    ("PUT", "groups/{group}/users/{user}", None),
    ("DELETE", "groups/{group_beside}/users/{user}", None),
    ("DELETE", "users/{user}", None),
]
ON_GROUP: list[Act] = [
    ("PATCH", "groups/{group}", {"group": {"name": "other"}}),
    ("PUT", "groups/{group}/users/{user}", None),
    ("DELETE", "groups/{group}/users/{beside}", None),
    ("DELETE", "groups/{group}", None),
]
ON_PROJECT: list[Act] = [
    ("PATCH", "projects/{project}", {"project": {"enabled": False}}),
    ("PATCH", "projects/{project}", {"project": {"enabled": True, "name": "other"}}),
    ("PUT", "projects/{project}/tags/stolen", None),
    ("PUT", "projects/{project}/tags", {"tags": ["stolen"]}),
    ("DELETE", "projects/{project}", None),
]


async def _system(domain: Domain, actor: str) -> None:
    await domain.put(f"system/{actor}s/{{{actor}}}/roles/{{reader}}")


def _role(name: str, at: str) -> Callable[[Domain, str], Awaitable[None]]:
    async def give(domain: Domain, actor: str) -> None:
        domain.ids["role"] = await domain.identity.role_id(name)
        await domain.put(f"{at}/{actor}s/{{{actor}}}/roles/{{role}}")

    return give


async def _implied(domain: Domain, actor: str) -> None:
    role = await domain.identity.make("role", "roles", name="part of the cloud")
    domain.ids |= {"role": role["id"], "implied": await domain.identity.role_id("service")}
    await domain.put("roles/{role}/implies/{implied}")
    await domain.put(f"projects/{{project_beside}}/{actor}s/{{{actor}}}/roles/{{role}}")


async def _inherited(domain: Domain, actor: str) -> None:
    domain.ids["role"] = await domain.identity.role_id("admin")
    await domain.put(f"OS-INHERIT/domains/default/{actor}s/{{{actor}}}/roles/{{role}}/inherited_to_projects")


async def _by_group(domain: Domain, actor: str) -> None:
    above = await domain.identity.make("group", "groups", name="above", domain_id="default")
    domain.ids |= {"above": above["id"], "role": await domain.identity.role_id("service")}
    await domain.put("groups/{above}/users/{user}")
    await domain.put("domains/default/groups/{above}/roles/{role}")


async def _by_trust(domain: Domain, actor: str) -> None:
    trust = {
        "trustor_user_id": domain.identity.user_id, "trustee_user_id": domain.ids["user"], "impersonation": False,
        "project_id": domain.identity.project_id, "roles": [{"name": "admin"}],
    }  # fmt: skip
    await domain.identity.make("trust", "OS-TRUST/trusts", **trust)


MORE: dict[str, Callable[[Domain, str], Awaitable[None]]] = {
    "a role on the system": _system,
    "admin of a project": _role("admin", "projects/{project_beside}"),
    "service in a project": _role("service", "projects/{project_beside}"),
    "service of a domain": _role("service", "domains/default"),
    "a role that implies service": _implied,
    "admin of what is below a domain": _inherited,
    "service by a group": _by_group,
    "admin by a trust": _by_trust,
}


@pytest.mark.parametrize("more", MORE)
async def test_a_manager_does_nothing_to_a_user_who_is_more_than_he(domain: Domain, more: str) -> None:
    await MORE[more](domain, "user")
    assert {act[:2]: await domain.status(act) for act in ON_USER} == {act[:2]: 403 for act in ON_USER}
    seen = await domain.identity.get(f"{API}/users/{domain.ids['user']}", token=domain.manager)
    assert (seen.body["user"]["name"], seen.body["user"]["enabled"]) == ("user", True), "and he still sees him"
    proof = {"methods": ["password"], "password": {"user": {"id": domain.ids["user"], "password": "pw"}}}
    assert (await domain.identity.auth(proof)).status == 201


@pytest.mark.parametrize("more", [name for name in MORE if name not in ("service by a group", "admin by a trust")])
async def test_a_manager_does_nothing_to_a_group_that_is_more_than_he(domain: Domain, more: str) -> None:
    await MORE[more](domain, "group")
    assert {act[:2]: await domain.status(act) for act in ON_GROUP} == {act[:2]: 403 for act in ON_GROUP}
    seen = await domain.identity.get(f"{API}/groups/{domain.ids['group']}/users", token=domain.manager)
    assert [user["id"] for user in seen.body["users"]] == [domain.ids["beside"]]


@pytest.mark.parametrize("role", ["admin", "service"])
async def test_a_manager_does_nothing_to_a_project_in_which_operators_work(domain: Domain, role: str) -> None:
    domain.ids["role"] = await domain.identity.role_id(role)
    worker = await domain.identity.make("user", "users", name="worker")
    domain.ids["worker"] = worker["id"]
    await domain.put("projects/{project}/users/{beside}/roles/{member}")
    await domain.put("projects/{project}/users/{worker}/roles/{role}")
    assert {act[:2]: await domain.status(act) for act in ON_PROJECT} == {act[:2]: 403 for act in ON_PROJECT}


@pytest.mark.parametrize("acts", [ON_USER, ON_GROUP, ON_PROJECT], ids=["user", "group", "project"])
async def test_a_manager_does_all_of_that_where_nobody_is_more_than_he(domain: Domain, acts: list[Act]) -> None:
    wrong = []
    for act in acts:
        status = await domain.status(act)
        if status >= 300:
            wrong.append((act, status))
    assert wrong == []
