"""Lists of servers: who sees what, filters, order and pages."""

from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.one_service import MINE, THEIRS

__all__ = ["cloud"]


async def names(cloud: Cloud, path: str = "/servers", **query: Any) -> list[str]:
    return [server["name"] for server in (await cloud.call("GET", path, **query)).ok()["servers"]]


async def made_in_order(cloud: Cloud, *names: str, **words: Any) -> list[str]:
    ids = []
    for name in names:
        cloud.clock.added_s += 1
        ids.append(await cloud.made(name=name, networks="none", **words))
    return ids


async def test_the_newest_comes_first_and_briefly(cloud: Cloud) -> None:
    ids = await made_in_order(cloud, "a", "b")
    listed = (await cloud.call("GET", "/servers")).ok()["servers"]
    assert [server["id"] for server in listed] == ids[::-1]
    assert set(listed[0]) == {"id", "name", "links"}
    (detail, _) = (await cloud.call("GET", "/servers/detail")).ok()["servers"]
    shown = await cloud.show(detail["id"])
    assert set(shown) - set(detail) == {"server_groups"}


async def test_a_project_sees_its_own_and_an_operator_who_asks_sees_all(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        await cloud.add_network(tx, "theirs", "10.2.0.0/24", project_id=THEIRS)
    await made_in_order(cloud, "mine")
    await made_in_order(cloud, "theirs", token=cloud.token(project_id=THEIRS))
    admin = cloud.token("admin")
    assert await names(cloud) == ["mine"]
    assert await names(cloud, token=admin) == ["mine"]
    assert await names(cloud, token=admin, all_tenants=1) == ["theirs", "mine"]
    assert await names(cloud, token=admin, all_tenants="true", project_id=MINE) == ["mine"]
    assert await names(cloud, project_id=THEIRS) == ["mine"], "it is left out in silence"
    (await cloud.call("GET", "/servers", all_tenants=1)).refused(403)
    auditor = cloud.token("reader", project_id=None, system=True)
    assert await names(cloud, token=auditor, all_tenants=1) == ["theirs", "mine"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("pre-1", ["pre-1", "pre-11"]),
        ("^pre-", ["pre-1", "pre-11", "pre-2"]),
        ("^pre-1$", ["pre-1"]),
        ("1$", ["pre-1", "pre-11"]),
        ("^pre-[12]$", ["pre-1", "pre-2"]),
        ("(pre|other)-2", ["pre-2"]),
        ("e.*1", ["pre-1", "pre-11"]),
        ("Pre", []),
        ("nothing", []),
        ("%", []),
    ],
)
async def test_names_are_matched_by_pattern(cloud: Cloud, pattern: str, found: list[str]) -> None:
    await made_in_order(cloud, "other", "pre-2", "pre-11", "pre-1")
    assert await names(cloud, name=pattern) == found


@pytest.mark.parametrize(
    "pattern", [r"(a)\1", "[", "(", ")", "*", "a{9,1}", "(?=a)", "((a{99}){99}){99}", "x" * 256, "(" * 200]
)
@pytest.mark.parametrize("filter", ["name", "hostname", "ip"])
async def test_a_pattern_that_is_none_or_too_large_is_refused(cloud: Cloud, filter: str, pattern: str) -> None:
    (await cloud.call("GET", "/servers", **{filter: pattern})).refused(400)


async def test_filters_find_what_they_say(cloud: Cloud) -> None:
    (vm,) = await made_in_order(cloud, "vm", tags=["red", "blue"])
    (shell,) = await made_in_order(cloud, "shell", imageRef=cloud.container_image, tags=["red"])
    netted = await cloud.made(name="netted")
    (await cloud.act(shell, "os-stop")).ok()
    await cloud.settle()
    admin = cloud.token("admin")
    address = (await cloud.show(netted))["addresses"]["blue"][0]["addr"]
    host = (await cloud.show(vm, token=admin))["OS-EXT-SRV-ATTR:host"]
    reservation = (await cloud.show(vm, token=admin))["OS-EXT-SRV-ATTR:reservation_id"]
    for query, found in (
        ({"status": "SHUTOFF"}, ["shell"]),
        ({"status": "shutoff"}, ["shell"]),
        ({"status": ["SHUTOFF", "ACTIVE"]}, ["netted", "shell", "vm"]),
        ({"image": cloud.container_image}, ["shell"]),
        ({"image": f"http://glance/images/{cloud.container_image}"}, ["shell"]),
        ({"flavor": "tiny"}, ["netted", "shell", "vm"]),
        ({"flavor": "tin"}, []),
        ({"ip": address}, ["netted"]),
        ({"ip": f"^{address}$"}, ["netted"]),
        ({"ip": "10.0.0.[0-9]+"}, ["netted"]),
        ({"ip": "192.0.2."}, []),
        ({"tags": "red"}, ["shell", "vm"]),
        ({"tags": "red,blue"}, ["vm"]),
        ({"tags-any": "blue,green"}, ["vm"]),
        ({"not-tags": "red,blue"}, ["netted", "shell"]),
        ({"not-tags-any": "red,blue"}, ["netted"]),
        ({"tags": "re"}, []),
        ({"host": host}, ["netted", "shell", "vm"]),
        ({"reservation_id": reservation}, ["vm"]),
        ({"power_state": "4"}, ["shell"]),
        ({"vm_state": "stopped"}, ["shell"]),
        ({"locked": "false"}, ["netted", "shell", "vm"]),
        ({"changes-since": "2001-01-01T00:00:00Z"}, ["netted", "shell", "vm"]),
        ({"changes-before": "2001-01-01T00:00:00Z"}, []),
    ):
        assert set(await names(cloud, **query)) == set(found), query
    assert await names(cloud, token=admin, host="host9") == []
    on_host = await names(cloud, token=admin, host=host)
    assert "vm" in on_host
    assert len(on_host) == int((await cloud.rows(
        "SELECT COUNT(*) FROM servers s JOIN hosts h ON h.id = s.host_id WHERE h.name = ?", host
    ))[0][0])  # fmt: skip


async def test_who_asks_for_changes_hears_of_the_deleted_too(cloud: Cloud) -> None:
    gone, _ = await made_in_order(cloud, "gone", "here")
    (await cloud.call("DELETE", f"/servers/{gone}")).ok()
    await cloud.settle()
    assert await names(cloud) == ["here"]
    changed = (await cloud.call("GET", "/servers/detail", **{"changes-since": "2001-01-01T00:00:00Z"})).ok()["servers"]
    assert {server["name"]: server["status"] for server in changed} == {"gone": "DELETED", "here": "ACTIVE"}
    assert await names(cloud, token=cloud.token("admin"), deleted="true") == ["gone"]
    (await cloud.call("GET", "/servers", status="deleted")).refused(403)


async def test_pages_link_to_each_other_until_all_was_seen(cloud: Cloud) -> None:
    await made_in_order(cloud, "c", "b", "a")
    seen: list[str] = []
    path = "/servers?limit=2&sort_key=display_name&sort_dir=asc"
    while path:
        page = (await cloud.call("GET", path)).ok()
        seen += [server["name"] for server in page["servers"]]
        href = page.get("servers_links", [{"href": ""}])[0]["href"]
        path = href.partition("/v2.1")[2]
    assert seen == ["a", "b", "c"]
    assert await names(cloud, limit=0) == []
    for bad in ({"limit": "-1"}, {"limit": "many"}, {"marker": "0" * 36}, {"sort_key": "mood"}, {"sort_dir": "up"}):
        query = {"sort_key": "display_name"} | bad if "sort_dir" in bad else bad
        (await cloud.call("GET", "/servers", **query)).refused(400)


async def test_an_unknown_filter_is_an_error_since_2_75(cloud: Cloud) -> None:
    assert await names(cloud, version="2.74", mood="good") == []
    (await cloud.call("GET", "/servers", mood="good")).refused(400)
    (await cloud.call("GET", "/servers", version="2.1", metadata="{}")).refused(400)
    (await cloud.call("GET", "/servers", status="happy")).refused(400)
    assert await names(cloud, version="2.37", status="happy") == []


async def test_each_version_shows_what_it_brought(cloud: Cloud) -> None:
    id = await cloud.made()
    admin = cloud.token("admin")
    brought = {
        "2.3": {"OS-EXT-SRV-ATTR:hostname", "OS-EXT-SRV-ATTR:user_data", "OS-EXT-SRV-ATTR:reservation_id"},
        "2.9": {"locked"},
        "2.16": {"host_status"},
        "2.19": {"description"},
        "2.26": {"tags"},
        "2.63": {"trusted_image_certificates"},
        "2.71": {"server_groups"},
        "2.73": {"locked_reason"},
        "2.96": {"pinned_availability_zone"},
        "2.100": {"scheduler_hints"},
    }
    for version, fields in brought.items():
        before = f"2.{int(version[2:]) - 1}"
        assert fields <= set(await cloud.show(id, token=admin, version=version)), version
        assert not fields & set(await cloud.show(id, token=admin, version=before)), before
    assert "id" in (await cloud.show(id, version="2.46"))["flavor"]
    assert "original_name" in (await cloud.show(id, version="2.47"))["flavor"]
    assert "properties" in (await cloud.show(id, version="2.98"))["image"]
    assert "OS-EXT-SRV-ATTR:hostname" in await cloud.show(id, version="2.90")
    assert "OS-EXT-SRV-ATTR:hostname" not in await cloud.show(id, version="2.89")
    assert not any(name.startswith("OS-EXT-SRV-ATTR") for name in await cloud.show(id, version="2.1"))


async def test_an_update_shows_little_before_2_75(cloud: Cloud) -> None:
    id = await cloud.made()
    body = {"server": {"name": "two", "accessIPv4": "192.0.2.1"}}
    old = (await cloud.call("PUT", f"/servers/{id}", body, version="2.74")).ok()["server"]
    assert (old["name"], old["accessIPv4"]) == ("two", "192.0.2.1")
    assert "OS-EXT-STS:vm_state" not in old
    assert "OS-EXT-STS:vm_state" in (await cloud.call("PUT", f"/servers/{id}", body)).ok()["server"]
    (await cloud.call("PUT", f"/servers/{id}", {"server": {"hostname": "me"}}, version="2.89")).refused(400)
    new = (await cloud.call("PUT", f"/servers/{id}", {"server": {"hostname": "me", "description": "d"}})).ok()["server"]
    assert (new["OS-EXT-SRV-ATTR:hostname"], new["description"]) == ("me", "d")


async def test_a_server_can_be_pinned_to_the_zone_it_is_in(cloud: Cloud) -> None:
    id = await cloud.made()

    async def pin(zone: str | None) -> Any:
        return await cloud.call("PUT", f"/servers/{id}", {"server": {"pinned_availability_zone": zone}})

    (await pin("elsewhere")).refused(409)
    assert (await pin("nova")).ok()["server"]["pinned_availability_zone"] == "nova"
    (await pin("elsewhere")).refused(409)
    assert (await pin(None)).ok()["server"]["pinned_availability_zone"] is None
