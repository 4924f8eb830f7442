"""Limits: defaults for everybody, exceptions for one project or domain, and the two ways to count."""

import pytest
from tests.api.identity.identity_cloud import Cloud

from trivet.domain.limits import limits
from trivet.domain.limits.limits import Ceiling


async def _registered(identity: Cloud, name: str = "servers") -> dict[str, str]:
    found = await identity.get(f"/identity/v3/registered_limits?resource_name={name}")
    registered: dict[str, str] = found.body["registered_limits"][0]
    return registered


async def _limit(identity: Cloud, amount: int, **scope: str) -> int:
    registered = await _registered(identity)
    wanted = {"service_id": registered["service_id"], "resource_name": "servers", "resource_limit": amount, **scope}
    return (await identity.call("POST", "/identity/v3/limits", {"limits": [wanted]})).status


async def _ceilings(identity: Cloud, project_id: str) -> list[Ceiling]:
    async with identity.store.read() as tx:
        return await limits.ceilings(tx, project_id, "servers")


async def test_everybody_has_the_default_until_a_limit_says_otherwise(identity: Cloud) -> None:
    project = await identity.make("project", "projects", name="p")
    assert await _ceilings(identity, project["id"]) == [Ceiling(project["id"], 100)]
    assert await _limit(identity, 7, project_id=project["id"]) == 201
    assert await _limit(identity, 8, project_id=project["id"]) == 409
    assert await _ceilings(identity, project["id"]) == [Ceiling(project["id"], 7)]
    assert await _ceilings(identity, identity.project_id) == []
    listed = (await identity.get(f"/identity/v3/limits?project_id={project['id']}")).body["limits"]
    assert [one["resource_limit"] for one in listed] == [7]
    path = f"/identity/v3/limits/{listed[0]['id']}"
    changed = await identity.call("PATCH", path, {"limit": {"resource_limit": 9}})
    assert changed.body["limit"]["resource_limit"] == 9
    assert (await identity.call("DELETE", path)).status == 204
    assert await _ceilings(identity, project["id"]) == [Ceiling(project["id"], 100)]


async def test_what_a_project_uses_counts_in_its_domain_if_that_has_a_limit(identity: Cloud) -> None:
    domain = await identity.make("domain", "domains", name="d")
    project = await identity.make("project", "projects", name="p", domain_id=domain["id"])
    assert await _limit(identity, 150, domain_id=domain["id"]) == 201
    assert set(await _ceilings(identity, project["id"])) == {
        Ceiling(project["id"], 100),
        Ceiling(domain["id"], 150, True),
    }


async def test_under_strict_two_level_nobody_has_more_than_the_scope_above(identity: Cloud) -> None:
    async with identity.store.write() as tx:
        await limits.set_model(tx, "strict_two_level")
    assert (await identity.get("/identity/v3/limits/model")).body["model"]["name"] == "strict_two_level"
    domain = await identity.make("domain", "domains", name="d")
    project = await identity.make("project", "projects", name="p", domain_id=domain["id"])
    assert set(await _ceilings(identity, project["id"])) == {
        Ceiling(project["id"], 100),
        Ceiling(domain["id"], 100, True),
    }
    assert await _limit(identity, 101, project_id=project["id"]) == 403
    assert await _limit(identity, 60, domain_id=domain["id"]) == 201
    assert await _limit(identity, 61, project_id=project["id"]) == 403
    assert await _limit(identity, 60, project_id=project["id"]) == 201
    listed = (await identity.get(f"/identity/v3/limits?domain_id={domain['id']}")).body["limits"]
    change = {"limit": {"resource_limit": 59}}
    assert (await identity.call("PATCH", f"/identity/v3/limits/{listed[0]['id']}", change)).status == 403


async def test_a_registered_limit_stays_while_limits_rest_on_it(identity: Cloud) -> None:
    project = await identity.make("project", "projects", name="p")
    registered = await _registered(identity)
    path = f"/identity/v3/registered_limits/{registered['id']}"
    await _limit(identity, 7, project_id=project["id"])
    assert (await identity.call("DELETE", path)).status == 403
    rename = {"registered_limit": {"resource_name": "x"}}
    assert (await identity.call("PATCH", path, rename)).status == 403
    raised = await identity.call("PATCH", path, {"registered_limit": {"default_limit": 200}})
    assert raised.body["registered_limit"]["default_limit"] == 200
    again = {"service_id": registered["service_id"], "resource_name": "servers", "default_limit": 1}
    body = {"registered_limits": [again]}
    assert (await identity.call("POST", "/identity/v3/registered_limits", body)).status == 409


async def test_a_tenant_sees_its_own_limits_and_sets_none(identity: Cloud) -> None:
    project = await identity.make("project", "projects", name="p")
    user = await identity.make("user", "users", name="u", password="pw")
    await identity.grant(user["id"], "member", project=project["id"])
    token = await identity.token("u", "pw", {"project": {"id": project["id"]}})
    await _limit(identity, 7, project_id=project["id"])
    mine = (await identity.get("/identity/v3/limits", token=token)).body["limits"]
    assert [one["project_id"] for one in mine] == [project["id"]]
    everybodys = (await identity.get("/identity/v3/limits")).body["limits"]
    other = next(one for one in everybodys if one["project_id"] != project["id"])
    assert (await identity.get(f"/identity/v3/limits/{other['id']}", token=token)).status == 403
    path = f"/identity/v3/limits/{mine[0]['id']}"
    assert (await identity.call("PATCH", path, {"limit": {"resource_limit": 9}}, token=token)).status == 403
    assert (await identity.get("/identity/v3/registered_limits", token=token)).status == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"project_id": "absent"}, 400),
        ({"project_id": "default"}, 400),
        ({}, 400),
        ({"project_id": "x", "domain_id": "default"}, 400),
        ({"domain_id": "default", "resource_limit": -2}, 400),
        ({"domain_id": "default", "resource_limit": "7"}, 400),
        ({"domain_id": "default", "resource_name": "unicorns"}, 403),
        ({"domain_id": "default", "surprise": 1}, 400),
    ],
)
async def test_a_limit_is_of_something_registered_for_somebody_there(
    identity: Cloud, change: dict[str, object], status: int
) -> None:
    registered = await _registered(identity)
    wanted = {"service_id": registered["service_id"], "resource_name": "servers", "resource_limit": 1, **change}
    assert (await identity.call("POST", "/identity/v3/limits", {"limits": [wanted]})).status == status


async def test_quota_dialects_set_and_reset_limits_by_name(identity: Cloud) -> None:
    project = await identity.make("project", "projects", name="p")
    async with identity.store.write() as tx:
        await limits.set_limit(tx, project["id"], "servers", 5)
        await limits.set_limit(tx, project["id"], "servers", 6)
        assert await limits.limit_of(tx, project["id"], "servers") == 6
        assert (await limits.limits_of(tx, project["id"]))["servers"] == 6
        await limits.reset_limits(tx, project["id"], ["servers", "port"])
        assert await limits.limit_of(tx, project["id"], "servers") == 100
