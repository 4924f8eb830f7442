"""For every route whose `may` is `token`: that it says by whose row it is decided, and that it is so.

Each word of `callers.DECISIONS` stands for a set of people who look and a set who change; the table below says them
again, in the test's own words. Every such route is asked by every kind of caller: who is in neither set is refused or
hears that there is no such thing, and who is in it is let in, whatever is said about the body then.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.one_service import Answer
from tests.policies.records import Project, keep, new_project
from tests.policies.test_route_policies import LOOKING, NOBODY, ask, names, said
from tests.policies.whole_cloud import WholeCloud, whole_cloud
from trivet.api.kit.callers import DECISIONS
from trivet.api.kit.routes import Route
from trivet.api.kit.service import Service

ALL = (
    "himself", "insider", "service", "stranger", "domain reader", "domain manager", "manager elsewhere",
    "system reader", "operator",
)  # fmt: skip
"""In the order in which they ask: the operator, who may delete everything, last."""
LOOKERS = {"operator", "system reader"}
OF_DOMAIN = {"domain reader", "domain manager"}

LOOK: dict[str, set[str]] = {
    "anyone": set(ALL),
    "oneself": set(ALL),
    "owner": LOOKERS | {"himself"},
    "sides": LOOKERS | {"himself"},
    "domain": LOOKERS | OF_DOMAIN,
    "within": LOOKERS | OF_DOMAIN | {"himself", "insider", "service"},
    "person": LOOKERS | OF_DOMAIN | {"himself"},
    "roles": LOOKERS | {"domain manager", "manager elsewhere"},
    "scope": LOOKERS | OF_DOMAIN | {"himself", "insider", "service"},
    "subject": set(ALL),
    "service": {"operator", "service"},
    "system": LOOKERS,
    "usage": LOOKERS | {"himself", "insider", "service"},
    "key roles": {"himself", "insider", "stranger", "operator"},
    "keys": {"himself", "insider"},
    "engine": set(ALL),
}
CHANGE: dict[str, set[str]] = {
    "oneself": set(ALL),
    "owner": {"operator", "himself"},
    "sides": {"operator", "himself"},
    "domain": {"operator", "domain manager"},
    "subject": set(ALL),
    "service": {"operator", "service"},
    "system": {"operator"},
    "key roles": {"himself", "insider", "stranger", "operator"},
    "keys": {"himself", "insider"},
    "engine": set(ALL),
}
NARROWER: dict[tuple[str, str], set[str]] = {
    # Each makes only his own.
    ("POST", "/v3/users/{user_id}/application_credentials"): {"himself"},
    ("POST", "/v3/OS-TRUST/trusts"): {"himself"},
    # As upstream: the system's reader and admin, and no admin of a project.
    ("GET", "/v3/users/{user_id}/access_rules"): {"himself", "system reader"},
    ("GET", "/v3/users/{user_id}/access_rules/{access_rule_id}"): {"himself", "system reader"},
    ("DELETE", "/v3/users/{user_id}/access_rules/{access_rule_id}"): {"himself"},
    # What a program has by OAuth is between its user and the operator.
    **{
        ("GET", f"/v3/users/{{user_id}}/OS-OAUTH1/access_tokens{tail}"): {"himself", "operator"}
        for tail in ("", "/{access_token_id}", "/{access_token_id}/roles", "/{access_token_id}/roles/{role_id}")
    },
}
WIDER: dict[tuple[str, str], set[str]] = {
    # Lists that say to each what he may see.
    **{("GET", f"/v3/{noun}"): {"manager elsewhere"} for noun in ("users", "groups", "projects", "domains")},
    ("GET", "/v3/role_assignments"): {"manager elsewhere"},
    ("GET", "/v3/credentials"): set(ALL),
    ("GET", "/v3/limits"): set(ALL),
    # A project of one's own is in a domain, which one sees.
    ("GET", "/v3/domains/{domain_id}"): {"stranger"},
    # An operator sees and removes the secrets that he cannot read.
    ("GET", "/v1/secrets/{secret_id}"): {"operator"},
    ("DELETE", "/v1/secrets/{secret_id}"): {"operator"},
    # Anybody makes a credential of his own.
    ("POST", "/v3/credentials"): set(),
}


class People:
    """Somebody with one of everything, and everybody else."""

    def __init__(self, cloud: WholeCloud, own: Project, other: Project) -> None:
        self.held = dict(own.held)
        system, default = {"system": True}, {"domain_id": "default"}
        self.tokens = {
            "himself": cloud.token("member", own.id, own.user_id),
            "insider": cloud.token("member", own.id, other.user_id),
            "service": cloud.token("service", own.id, other.user_id),
            "stranger": cloud.token("manager", other.id, other.user_id),
            "domain reader": cloud.token("reader", None, other.user_id, **default),
            "domain manager": cloud.token("manager", None, other.user_id, **default),
            "manager elsewhere": cloud.token("manager", None, other.user_id, domain_id=other.held["domain_id"]),
            "system reader": cloud.token("reader", None, other.user_id, **system),
            "operator": cloud.admin,
        }


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


async def people_of(cloud: WholeCloud) -> People:
    own, other = await new_project(cloud, "own"), await new_project(cloud, "other")
    roles = (await cloud.call("GET", "/identity/v3/roles", token=cloud.admin)).body["roles"]
    ids = {role["name"]: role["id"] for role in roles}
    elsewhere = await cloud.made("/identity/v3/domains", {"domain": {"name": "elsewhere"}}, cloud.admin)
    other.held["domain_id"] = elsewhere["id"]
    group = await cloud.made("/identity/v3/groups", {"group": {"name": "g"}}, cloud.admin)
    own.held |= {
        "user_id": own.user_id, "project_id": own.id, "domain_id": "default", "group_id": group["id"],
        "role_id": ids["member"], "tag": "t", "option": "driver", "group": "identity",
    }  # fmt: skip
    mine = cloud.token("member", own.id, own.user_id)
    rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
    body: dict[str, Any] = {"application_credential": {"name": "n", "access_rules": rules}}
    users = f"/identity/v3/users/{own.user_id}"
    program = await cloud.made(f"{users}/application_credentials", body, mine)
    key = await cloud.made(f"{users}/credentials/OS-EC2", {"tenant_id": own.id}, mine)
    body = {"credential": {"type": "totp", "blob": "GEZDGNBV"}}
    credential = await cloud.made("/identity/v3/credentials", body, mine)
    trust = await cloud.made("/identity/v3/OS-TRUST/trusts", trust_of(own, [{"name": "reader"}]), mine)
    own.held |= {
        "app_credential_id": program["id"], "access_rule_id": program["access_rules"][0]["id"],
        "access": key["access"], "credential_id": credential["id"], "trust_id": trust["id"],
    }  # fmt: skip
    await keep(cloud, own, mine)
    limits = (await cloud.call("GET", "/identity/v3/registered_limits", token=cloud.admin)).body["registered_limits"]
    wanted = {name: limits[0][name] for name in ("service_id", "resource_name", "region_id")}
    body = {"limits": [{**wanted, "project_id": own.id, "resource_limit": 1}]}
    made = await cloud.made("/identity/v3/limits", body, cloud.admin)
    own.held |= {"limit_id": made[0]["id"], "registered_limit_id": limits[0]["id"]}
    return People(cloud, own, other)


def trust_of(own: Project, roles: list[Any]) -> dict[str, Any]:
    trust = {"trustor_user_id": own.user_id, "trustee_user_id": own.user_id, "impersonation": False}
    return {"trust": {**trust, "project_id": own.id, "roles": roles}}


def body_of(route: Route, held: dict[str, str]) -> Any:
    """Good enough that who may is asked."""
    bodies: dict[str, Any] = {
        "/v3/users": {"user": {"name": "new", "domain_id": "default"}},
        "/v3/groups": {"group": {"name": "new", "domain_id": "default"}},
        "/v3/projects": {"project": {"name": "new", "domain_id": "default"}},
        "/v3/users/{user_id}": {"user": {"description": "x"}},
        "/v3/groups/{group_id}": {"group": {"description": "x"}},
        "/v3/projects/{project_id}": {"project": {"description": "x"}},
        "/v3/projects/{project_id}/tags": {"tags": ["a"]},
        "/v3/credentials": {"credential": {"type": "x", "blob": "b", "user_id": held["user_id"]}},
        "/v3/credentials/{credential_id}": {"credential": {"type": "totp"}},
        "/v3/users/{user_id}/credentials/OS-EC2": {"tenant_id": held["project_id"]},
        "/v3/users/{user_id}/application_credentials": {"application_credential": {"name": "again"}},
        "/v3/OS-TRUST/trusts": {
            "trust": {
                "trustor_user_id": held["user_id"], "trustee_user_id": held["user_id"], "impersonation": False,
                "project_id": held["project_id"], "roles": [{"name": "reader"}],
            }
        },
        "/v1/secrets": {"name": "k"},
        "/v1/orders": {"type": "key", "meta": {"algorithm": "aes", "bit_length": 128}},
        "/v1/containers": {"type": "generic"},
        "/v3/OS-OAUTH1/authorize/{request_token_id}": {"roles": [{"name": "reader"}]},
    }  # fmt: skip
    return bodies.get(route.path) if route.method in ("POST", "PATCH", "PUT") else None


def query_of(route: Route, held: dict[str, str]) -> bytes:
    if route.path == "/v3/OS-TRUST/trusts":
        return f"trustor_user_id={held['user_id']}".encode()
    return f"project_id={held['project_id']}".encode() if route.path == "/usages" else b""


def may(route: Route) -> set[str]:
    assert route.decides is not None
    key = (route.method, route.path)
    if key in NARROWER:
        return NARROWER[key]
    return (LOOK if route.method in LOOKING else CHANGE)[route.decides] | WIDER.get(key, set())


def test_every_word_has_its_people() -> None:
    assert LOOK.keys() == DECISIONS.keys()


async def asked(cloud: WholeCloud, service: Service, route: Route, people: People, who: str) -> Answer:
    body = body_of(route, people.held)
    raw = json.dumps(body if body is not None else {}).encode() if route.method not in LOOKING else None
    return await ask(cloud, service, route, people.held, people.tokens[who], raw, query=query_of(route, people.held))


def how_late(route: Route) -> tuple[bool, bool, int]:
    """What ends others' tokens comes last: a role on the system, and of deletions those that take most with them."""
    changes = route.method not in LOOKING
    return (
        changes and route.decides == "system",
        route.method == "DELETE" and route.decides == "domain",
        -len(names(route)),
    )


async def test_who_is_not_named_is_refused_and_who_is_named_is_not(cloud: WholeCloud) -> None:
    people = await people_of(cloud)
    of_rows = [(service, route) for service, route in cloud.routes if route.decides is not None]
    wrong, refused, let_in = [], 0, 0
    for service, route in of_rows:
        for who in ALL:
            if who not in may(route):
                answer = await asked(cloud, service, route, people, who)
                refused += answer.status in (403, 404)
                if answer.status not in (403, 404):
                    wrong.append(f"{who}: {said(service, route, answer)}")
    assert not wrong, "\n".join(["those who may not", *wrong])
    for service, route in sorted(of_rows, key=lambda each: how_late(each[1])):
        for who in ALL:
            if who in may(route):
                answer = await asked(cloud, service, route, people, who)
                let_in += 1
                # A cloud's own roles are immutable, for the operator too: that is no word on who he is.
                if (
                    answer.status in (401, 403) and "immutable" not in said(service, route, answer)
                ) or answer.status >= 500:
                    wrong.append(f"{who}: {said(service, route, answer)}")
    assert not wrong, "\n".join(["those who may", *wrong])
    assert refused > 400
    assert let_in > 300


async def test_an_agents_route_is_for_the_host_and_for_nobody_else(cloud: WholeCloud) -> None:
    """No token is looked at, the operator's neither; and a credential that is not known opens nothing."""
    wrong, refused = [], 0
    for service, route in cloud.routes:
        if route.may != "host":
            continue
        for secret in (None, b"", b"nonsense", f"{NOBODY}.x".encode()):
            headers = [(b"x-trivet-host-secret", secret)] if secret is not None else []
            path = service.prefix + route.path.replace("{", "").replace("}", "")
            answer = await cloud.call(route.method, path, {}, token=cloud.admin, headers=headers)
            refused += answer.status == 401
            if answer.status != 401:
                wrong.append(said(service, route, answer))
    assert wrong == []
    assert refused > 40
