"""Migrations: a resize is one, from what was asked to how it ended, and operators find it by what they know of it."""

from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud

from trivet.domain.servers import actions, migrations
from trivet.domain.servers import state as reports
from trivet.domain.servers.flavors import FLAVORS, Flavor
from trivet.domain.servers.orders import Report

__all__ = ["cloud"]


async def listed(cloud: Cloud, version: str = "2.104", **query: Any) -> list[dict[str, Any]]:
    answer = await cloud.call("GET", "/os-migrations", token=cloud.token("admin"), version=version, **query)
    return list(answer.ok()["migrations"])


async def bigger(cloud: Cloud) -> str:
    async with cloud.store.write() as tx:
        flavor = Flavor(id="77", name="m1.bigger", vcpus=2, ram_mib=512, disk_gib=1, created_at=0.0)
        await tx.insert_new(FLAVORS, flavor)
    return "77"


async def resized(cloud: Cloud) -> str:
    id = await cloud.made(networks="none")
    (await cloud.act(id, "resize", {"flavorRef": await bigger(cloud)})).ok()
    return id


@pytest.mark.parametrize(
    ("end", "during", "after"),
    [("confirmResize", "confirming", "confirmed"), ("revertResize", "reverting", "reverted")],
)
async def test_a_resize_is_a_migration_from_its_begin_to_its_end(
    cloud: Cloud, end: str, during: str, after: str
) -> None:
    id = await resized(cloud)
    (migration,) = await listed(cloud)
    ((host,),) = await cloud.rows("SELECT h.name FROM hosts h JOIN servers s ON s.host_id = h.id WHERE s.id = ?", id)
    assert migration["status"] == "migrating"
    assert (migration["instance_uuid"], migration["migration_type"]) == (id, "resize")
    assert {migration[name] for name in ("source_compute", "source_node", "dest_compute", "dest_node")} == {host}
    assert migration["new_instance_type_id"] == 77
    await cloud.settle()
    assert [one["status"] for one in await listed(cloud)] == ["finished"]
    (await cloud.act(id, end)).ok()
    assert [one["status"] for one in await listed(cloud)] == [during]
    await cloud.settle()
    assert [one["status"] for one in await listed(cloud)] == [after]


async def test_a_resize_that_the_host_cannot_do_is_undone_and_told(cloud: Cloud) -> None:
    id = await resized(cloud)
    ((host, revision),) = await cloud.rows("SELECT host_id, revision FROM servers WHERE id = ?", id)
    failure = Report(id, str(host), revision, power="running", boots=1, builds=1, shape="1/512/1", error="It cannot.")
    async with cloud.store.write() as tx:
        await reports.settle(tx, failure)
    assert [one["status"] for one in await listed(cloud)] == ["error"]
    await cloud.settle()
    shown = await cloud.show(id)
    assert (shown["status"], shown["flavor"]["vcpus"]) == ("ACTIVE", 1)
    used = (await cloud.call("GET", "/limits")).ok()["limits"]["absolute"]
    assert used["totalCoresUsed"] == 1
    held = await cloud.rows("SELECT class, used FROM claims WHERE consumer_id = ? AND class = 'VCPU'", id)
    assert held == [("VCPU", 1)]


async def test_deleting_a_server_ends_its_migration(cloud: Cloud) -> None:
    id = await resized(cloud)
    await cloud.settle()
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    await cloud.settle()
    assert [one["status"] for one in await listed(cloud)] == ["confirmed"]


@pytest.mark.parametrize(
    ("version", "there", "missing"),
    [
        ("2.1", set(), {"migration_type", "uuid", "user_id", "project_id", "links"}),
        ("2.23", {"migration_type"}, {"uuid", "user_id", "project_id", "links"}),
        ("2.59", {"migration_type", "uuid"}, {"user_id", "project_id"}),
        ("2.80", {"migration_type", "uuid", "user_id", "project_id"}, {"links"}),
    ],
)
async def test_each_version_shows_what_it_knows(cloud: Cloud, version: str, there: set[str], missing: set[str]) -> None:
    await resized(cloud)
    (migration,) = await listed(cloud, version)
    assert there <= migration.keys()
    assert not missing & migration.keys()


async def test_filters_find_what_they_say(cloud: Cloud) -> None:
    id = await resized(cloud)
    (migration,) = await listed(cloud)
    for name, value in (
        ("instance_uuid", id),
        ("status", "migrating"),
        ("migration_type", "resize"),
        ("source_compute", migration["source_compute"]),
        ("host", migration["dest_compute"]),
        ("user_id", migration["user_id"]),
        ("project_id", migration["project_id"]),
        ("changes-since", migration["updated_at"]),
        ("changes-before", migration["updated_at"]),
    ):
        assert [one["id"] for one in await listed(cloud, **{name: value})] == [migration["id"]], name
        if not name.startswith("changes"):
            assert await listed(cloud, **{name: "other"}) == [], name
    assert await listed(cloud, **{"changes-since": "2999-01-01T00:00:00"}) == []
    assert await listed(cloud, hidden="true") == []


async def test_a_list_is_paged_since_2_59(cloud: Cloud) -> None:
    for _ in range(3):
        await resized(cloud)
    all_of_them = [one["uuid"] for one in await listed(cloud)]
    admin = cloud.token("admin")
    first = (await cloud.call("GET", "/os-migrations", token=admin, limit=2)).ok()
    assert [one["uuid"] for one in first["migrations"]] == all_of_them[:2]
    assert f"marker={all_of_them[1]}" in first["migrations_links"][0]["href"]
    rest = (await cloud.call("GET", "/os-migrations", token=admin, limit=2, marker=all_of_them[1])).ok()
    assert [one["uuid"] for one in rest["migrations"]] == all_of_them[2:]
    assert "migrations_links" not in rest
    assert len(await listed(cloud, "2.1", limit=1)) == 3, "before, nobody pages"


@pytest.mark.parametrize(
    "query",
    [{"marker": "0" * 8}, {"limit": "-1"}, {"changes-since": "soon"}, {"nonsense": "1"},
     {"changes-since": "2030-01-01T00:00:00", "changes-before": "2020-01-01T00:00:00"}],
)  # fmt: skip
async def test_a_query_that_means_nothing_is_refused(cloud: Cloud, query: dict[str, str]) -> None:
    (await cloud.call("GET", "/os-migrations", token=cloud.token("admin"), **query)).refused(400)


async def test_only_operators_see_them_and_below_a_server_only_live_ones_are(cloud: Cloud) -> None:
    id = await resized(cloud)
    (await cloud.call("GET", "/os-migrations")).refused(403)
    admin = cloud.token("admin")
    assert (await cloud.call("GET", f"/servers/{id}/migrations", token=admin)).ok() == {"migrations": []}
    number = (await listed(cloud))[0]["id"]
    message = (await cloud.call("GET", f"/servers/{id}/migrations/{number}", token=admin)).refused(404)
    assert message == f"Migration {number} for server {id} is not live-migration."
    assert "not found" in (await cloud.call("GET", f"/servers/{id}/migrations/999", token=admin)).refused(404)


async def test_what_a_tenant_can_do_for_ever_fills_no_table(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class: rows that each act on one server leaves behind."""
    monkeypatch.setattr(migrations, "_KEPT", 3)
    monkeypatch.setattr(actions, "KEPT", 5)
    id = await resized(cloud)
    for _ in range(5):
        await cloud.settle()
        (await cloud.act(id, "revertResize")).ok()
        await cloud.settle()
        (await cloud.act(id, "resize", {"flavorRef": "77"})).ok()
    assert len(await cloud.rows("SELECT 1 FROM server_migrations WHERE server_id = ?", id)) == 3
    assert len(await cloud.rows("SELECT 1 FROM server_actions WHERE server_id = ?", id)) == 5


async def on_a_dead_host(cloud: Cloud, **words: Any) -> tuple[str, str]:
    """(server, host)"""
    id = await cloud.made(**words)
    ((host,),) = await cloud.rows("SELECT h.name FROM hosts h JOIN servers s ON s.host_id = h.id WHERE s.id = ?", id)
    async with cloud.store.write() as tx:
        await tx.run("UPDATE hosts SET silent = 1 WHERE name = ?", host)
    return id, str(host)


async def evacuated(cloud: Cloud, id: str, body: dict[str, Any] | None = None, version: str = "2.94") -> Any:
    return await cloud.act(id, "evacuate", body or {}, token=cloud.token("admin"), version=version)


async def test_a_server_of_a_dead_host_is_made_again_on_another(cloud: Cloud) -> None:
    id, dead = await on_a_dead_host(cloud)
    addresses = "SELECT ip FROM addresses a JOIN ports p ON p.id = a.port_id WHERE device_id = ?"
    before = await cloud.rows(addresses, id)
    assert (await evacuated(cloud, id)).status == 200
    shown = (await cloud.call("GET", f"/servers/{id}", token=cloud.token("admin"))).ok()["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("REBUILD", "rebuilding")
    assert shown["OS-EXT-SRV-ATTR:host"] not in (dead, None)
    (migration,) = await listed(cloud)
    assert (migration["migration_type"], migration["source_compute"]) == ("evacuation", dead)
    assert migration["dest_compute"] == shown["OS-EXT-SRV-ATTR:host"]
    await cloud.settle()
    shown = (await cloud.call("GET", f"/servers/{id}", token=cloud.token("admin"))).ok()["server"]
    assert shown["status"] == "ACTIVE"
    assert [one["status"] for one in await listed(cloud)] == ["done"]
    assert await cloud.rows(addresses, id) == before
    ((claimed,),) = await cloud.rows(
        "SELECT h.name FROM hosts h JOIN claims c ON c.provider_id = h.id WHERE c.consumer_id = ? LIMIT 1", id
    )
    assert claimed == shown["OS-EXT-SRV-ATTR:host"]


async def test_a_server_is_not_taken_from_a_host_that_lives(cloud: Cloud) -> None:
    id = await cloud.made()
    assert "still in use" in (await evacuated(cloud, id)).refused(400)


async def test_an_evacuated_server_waits_for_its_owner_since_2_95(cloud: Cloud) -> None:
    id, _ = await on_a_dead_host(cloud)
    assert (await evacuated(cloud, id, version="2.95")).status == 200
    await cloud.settle()
    assert (await cloud.call("GET", f"/servers/{id}")).ok()["server"]["status"] == "SHUTOFF"


@pytest.mark.parametrize(
    ("body", "version", "status"),
    [
        ({"host": "nowhere"}, "2.94", 404),
        ({"force": True, "host": "host1"}, "2.68", 400),
        ({"onSharedStorage": False}, "2.14", 400),
        ({}, "2.13", 400),
        ({"onSharedStorage": True}, "2.13", 400),
        ({"host": ""}, "2.94", 400),
    ],
)
async def test_what_evacuate_refuses(cloud: Cloud, body: dict[str, Any], version: str, status: int) -> None:
    id, dead = await on_a_dead_host(cloud)
    assert (await evacuated(cloud, id, body, version)).status == status
    assert (await evacuated(cloud, id, {"host": dead})).status == 400
    assert await listed(cloud) == []


async def test_who_is_no_operator_moves_nothing(cloud: Cloud) -> None:
    id, _ = await on_a_dead_host(cloud)
    assert (await cloud.act(id, "evacuate", {})).status == 403


async def test_a_server_that_fits_nowhere_stays_where_it_was(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        await cloud.add_host(tx, "alone", vcpus=4, zone="island")
    id, dead = await on_a_dead_host(cloud, availability_zone="island")
    assert (dead, (await evacuated(cloud, id)).status) == ("alone", 200)
    ((host,),) = await cloud.rows("SELECT h.name FROM hosts h JOIN servers s ON s.host_id = h.id WHERE s.id = ?", id)
    assert host == "alone"
    acts = (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"]
    assert (acts[0]["action"], acts[0]["message"]) == ("evacuate", "Error")
