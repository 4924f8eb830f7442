"""Lists of identity: filtered, sorted and cut by the database. The class: a whole table read for one page of it, and a
marker that is no row of what was asked for.
"""

from typing import Any

import pytest
from tests.api.identity.identity_cloud import Cloud

from trivet.domain.limits import limits

API = "/identity/v3"
NAMES = [f"n{n}" for n in range(5)]
KINDS = ["user", "group", "project", "domain", "role"]


async def names(identity: Cloud, path: str, **how: str) -> list[str]:
    found = (await identity.get(f"{API}/{path}", **how)).ok()
    (listed,) = (value for name, value in found.items() if name not in ("links", "truncated"))
    return [one["name"] for one in listed]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_list_is_read_page_by_page_and_says_that_there_is_more(identity: Cloud, kind: str) -> None:
    for name in NAMES:
        await identity.make(kind, f"{kind}s", name=name)
    found, path = [], f"/{kind}s?name__startswith=n&limit=2"
    while path:
        page = (await identity.get(f"{API}{path}")).ok()
        found.append([one["name"] for one in page[f"{kind}s"]])
        assert page.get("truncated", False) is (page["links"]["next"] is not None)
        path = (page["links"]["next"] or "").partition("/v3")[2]
    assert found == [NAMES[:2], NAMES[2:4], NAMES[4:]]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_list_is_of_what_is_asked_for(identity: Cloud, kind: str) -> None:
    for name in ("alpha", "Alpine", "beta"):
        await identity.make(kind, f"{kind}s", name=name)
    for query, wanted in (
        ("name=alpha", ["alpha"]),
        ("name__contains=lp", ["Alpine", "alpha"]),
        ("name__icontains=ALP", ["Alpine", "alpha"]),
        ("name__startswith=al", ["alpha"]),
        ("name__istartswith=al", ["Alpine", "alpha"]),
        ("name__endswith=eta", ["beta"]),
        ("name__iendswith=INE", ["Alpine"]),
        ("name__contains=%25", []),
        ("name__contains=_", []),
    ):
        assert sorted(await names(identity, f"{kind}s?{query}")) == wanted, query
    assert (await identity.get(f"{API}/{kind}s?name__sounds=x")).status == 400


async def test_a_marker_is_a_row_that_was_asked_for(identity: Cloud) -> None:
    """A reader of one domain learns nothing of another's users by beginning after them."""
    own = await identity.make("domain", "domains", name="own")
    reader = await identity.make("user", "users", name="m", domain_id=own["id"], password="pw")
    await identity.grant(reader["id"], "reader", domain=own["id"])
    proof = {"methods": ["password"], "password": {"user": {"id": reader["id"], "password": "pw"}}}
    token = (await identity.auth(proof, {"domain": {"id": own["id"]}})).headers["x-subject-token"]
    for name in ("a", "z"):
        hidden = await identity.make("user", "users", name=name)
        answer = await identity.get(f"{API}/users?marker={hidden['id']}", token=token)
        assert answer.status == 404
    assert await names(identity, f"users?marker={reader['id']}", token=token) == []
    assert (await identity.get(f"{API}/users?name=other&marker={reader['id']}", token=token)).status == 404


async def test_what_only_the_record_tells_is_paged_too(identity: Cloud) -> None:
    for n in range(6):
        await identity.make("project", "projects", name=f"p{n}", tags=["odd" if n % 2 else "even"])
    first = (await identity.get(f"{API}/projects?tags=odd&limit=2")).ok()
    assert [one["name"] for one in first["projects"]] == ["p1", "p3"]
    assert first["truncated"] is True
    assert await names(identity, f"projects?tags=odd&limit=2&marker={first['projects'][-1]['id']}") == ["p5"]


@pytest.mark.parametrize("limit", ["x", "-1", "\u00b2", "1e3", ""])
async def test_a_limit_that_is_no_number_is_refused(identity: Cloud, limit: str) -> None:
    assert (await identity.get(f"{API}/users", query={"limit": limit})).status == 400


async def test_a_default_of_another_region_binds_nobody_here_and_that_of_ours_comes_first(identity: Cloud) -> None:
    """A registered limit with a region is another than the one without."""
    everywhere = (await identity.get(f"{API}/registered_limits?resource_name=servers")).ok("registered_limits")[0]
    new = {"service_id": everywhere["service_id"], "resource_name": "servers"}
    await identity.make("region", "regions", id="elsewhere")
    for region, amount in (("elsewhere", 1), ("RegionOne", 7)):
        body = {"registered_limits": [{**new, "region_id": region, "default_limit": amount}]}
        assert (await identity.call("POST", f"{API}/registered_limits", body)).status == 201
    async with identity.store.read() as tx:
        assert await limits.limit_of(tx, identity.project_id, "servers") == 7
        assert (await limits.limits_of(tx, identity.project_id))["servers"] == 7
    listed = (await identity.get(f"{API}/registered_limits?region_id=elsewhere")).ok("registered_limits")
    assert [one["default_limit"] for one in listed] == [1]
    limit = {**new, "region_id": "nowhere", "resource_limit": 3, "project_id": identity.project_id}
    assert (await identity.call("POST", f"{API}/limits", {"limits": [limit]})).status == 400
    await identity.make("region", "regions", id="nowhere")
    assert (await identity.call("POST", f"{API}/limits", {"limits": [limit]})).status == 403


CATALOG: dict[str, dict[str, Any]] = {
    "services": {"type": "x"},
    "regions": {},
    "policies": {"blob": {}, "type": "x"},
    "OS-EP-FILTER/endpoint_groups": {"name": "x", "filters": {}},
    "OS-OAUTH1/consumers": {},
}


@pytest.mark.parametrize("path", CATALOG)
async def test_the_catalog_is_read_page_by_page_too(identity: Cloud, path: str) -> None:
    plural = path.rpartition("/")[2]
    kind = "policy" if plural == "policies" else plural.removesuffix("s")
    for _ in range(3):
        await identity.make(kind, path, **CATALOG[path])
    everything = [one["id"] for one in (await identity.get(f"{API}/{path}")).ok()[plural]]
    found: list[str] = []
    following = f"/{path}?limit=2"
    while following:
        page = (await identity.get(f"{API}{following}")).ok()
        found += [one["id"] for one in page[plural]]
        following = (page["links"]["next"] or "").partition("/v3")[2]
    assert found == everything
    assert (await identity.get(f"{API}/{path}?marker=nonsense")).status == 404
