"""Tenants report, and the cloud finds the fault beneath: one, told with what it explains, and over when healed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud
from tests.api.conftest import database
from tests.api.one_service import Answer, ask
from tests.controllers.test_failover import Scene

from trivet.api.alarms.service import SERVICE as ALARMS
from trivet.api.compute.service import SERVICE as COMPUTE
from trivet.api.fault_reports.service import SERVICE as FAULT_REPORTS
from trivet.api.kit.app import App
from trivet.api.topology.service import SERVICE as TOPOLOGY
from trivet.controllers.causes import CauseController
from trivet.domain.causes import fault_reports
from trivet.domain.hosts.hosts import HOSTS
from trivet.store import leases
from trivet.store.follower import Follower
from trivet.store.leases import Sightings

__all__ = ["database"]

TENANTS = tuple(f"{n:032x}" for n in range(0xA0, 0xAA))
CARD = "nic:host1:tenant"


class Case(Scene):
    """The scene of fail-over, with who looks for causes behind the log."""

    async def begin(self) -> None:
        await super().begin()
        self.cloud.app = App(self.cloud.parts, [COMPUTE, ALARMS, FAULT_REPORTS, TOPOLOGY])
        async with self.cloud.store.write() as tx:
            lease = await leases.take(tx, "causes", "me", 60.0, Sightings(self.cloud.clock, 60.0))
        assert lease is not None
        self.causes = CauseController(self.cloud.parts, lease)
        self.follower = Follower(self.cloud.store)
        self.follower.listen("causes", self.causes.on_events, self.causes.on_resync)

    async def conclude(self) -> None:
        while await self.follower.step():
            pass
        while await self.causes.step():
            pass

    async def ask(self, method: str, path: str, body: Any = None, *, project: str = "", role: str = "member") -> Answer:
        """With no project: the operator."""
        token = self.cloud.token(role, project, f"user of {project}") if project else self.cloud.token("admin")
        return await ask(self.cloud.app, method, f"/v1{path}", body, headers={"x-auth-token": token})

    async def report(self, project: str, server: str, symptom: str = "unreachable", **said: Any) -> Answer:
        body = {"object_type": "server", "object_id": server, "symptom": symptom} | said
        return await self.ask("POST", "/fault-reports", {"fault_report": body}, project=project)

    async def server(self, project: str, host: str = "host1") -> str:
        token = self.cloud.token("admin", project)
        made = await self.cloud.create(availability_zone=f"nova:{host}", token=token, networks="none")
        await self.cloud.settle()
        return str(made.ok()["server"]["id"])

    async def open_causes(self) -> list[Any]:
        return list((await self.ask("GET", "/alarms/root-causes?open=true")).ok("root_causes"))

    async def open_alarms(self, project: str = "") -> list[Any]:
        return list((await self.ask("GET", "/alarms?open=true", project=project)).ok("alarms"))

    async def say(self, component: str, value: str) -> None:
        (await self.ask("PUT", f"/topology/components/{component}/state", {"state": {"value": value}})).ok()

    async def stand(self, component: str, *on: str) -> None:
        said = {"stands_on": [{"component": one} for one in on]}
        (await self.ask("PUT", f"/topology/links/{component}", said)).ok()


@pytest.fixture
async def case(database: str) -> AsyncIterator[Case]:
    async with Cloud(database) as cloud:
        case = Case(cloud)
        await case.begin()
        yield case


async def test_one_card_fails_and_ten_tenants_report_and_there_is_one_root_cause(case: Case) -> None:
    servers = [await case.server(tenant) for tenant in TENANTS]
    case.tenant.down = {"host1"}
    await case.look()
    for tenant, server in zip(TENANTS, servers, strict=True):
        assert (await case.report(tenant, server)).status == 201
    await case.conclude()
    (cause,) = await case.open_causes()
    assert (cause["component"], cause["independent_reporters"], cause["seen_by_the_cloud"]) == (CARD, 10, True)
    assert cause["confidence"] > 0.95
    found = await case.open_alarms()
    (root,) = [alarm for alarm in found if alarm["is_root_cause"]]
    assert (root["managed_object"]["type"], root["managed_object"]["name"]) == ("nic", "host1:tenant")
    children = [alarm for alarm in found if alarm["root_alarm_id"] == root["id"]]
    assert sorted(a["managed_object"]["id"] for a in children if a["project_id"]) == sorted(servers)
    assert sorted(root["correlated_alarm_ids"]) == sorted(alarm["id"] for alarm in children)
    case.tenant.down = set()
    case.cloud.clock.passed_s += 5
    await case.look()
    await case.conclude()
    assert await case.open_alarms() == []
    assert await case.open_causes() == []
    reports = (await case.ask("GET", "/fault-reports")).ok("fault_reports")
    assert {report["state"] for report in reports} == {"healed"}


async def test_a_tenant_hears_of_the_cause_what_kind_it_is_and_no_more(case: Case) -> None:
    servers = {tenant: await case.server(tenant) for tenant in TENANTS[:5]}
    case.tenant.down = {"host1"}
    await case.look()
    for tenant, server in servers.items():
        await case.report(tenant, server)
    await case.conclude()
    mine = TENANTS[0]
    (alarm,) = await case.open_alarms(mine)
    assert alarm["managed_object"]["id"] == servers[mine]
    (report,) = (await case.ask("GET", "/fault-reports", project=mine)).ok("fault_reports")
    assert (report["cause"]["kind"], report["state"]) == ("network", "open")
    told = str([alarm, report])
    assert "host1" not in told
    assert not any(other in told for other in TENANTS[1:5])
    assert (await case.ask("GET", f"/alarms/{alarm['root_alarm_id']}", project=mine)).status == 404
    assert (await case.ask("GET", "/alarms/root-causes", project=mine)).status == 403
    (shown,) = (await case.ask("GET", f"/fault-reports?project_id={mine}")).ok("fault_reports")
    assert shown["cause"]["component"] == CARD


async def test_reports_that_the_probes_contradict_blame_what_probes_do_not_see(case: Case) -> None:
    """The kernel answers between the hosts, and five tenants' packets are lost: it is what carries servers' packets."""
    for tenant in TENANTS[:5]:
        await case.report(tenant, await case.server(tenant), "packet_loss")
    await case.conclude()
    (cause,) = await case.open_causes()
    assert (cause["component"], cause["seen_by_the_cloud"]) == ("chassis:host1", False)
    (root,) = [alarm for alarm in await case.open_alarms() if alarm["is_root_cause"]]
    assert root["perceived_severity"] == "WARNING"


@pytest.mark.parametrize(("who", "blamed"), [("the same user", False), ("user of {}", True)])
async def test_one_tenant_gets_no_host_blamed_however_much_he_reports(case: Case, who: str, blamed: bool) -> None:
    """With four projects, a user in all of them, every server and every symptom. Four who are strangers would."""
    await case.server(TENANTS[9])
    for project in TENANTS[:4]:
        token = case.cloud.token("member", project, who.format(project))
        for server in [await case.server(project), await case.server(project)]:
            for symptom in ("unreachable", "packet_loss", "unresponsive", "crashed", "other"):
                said = {"object_type": "server", "object_id": server, "symptom": symptom}
                answer = await ask(
                    case.cloud.app, "POST", "/v1/fault-reports", {"fault_report": said}, headers={"x-auth-token": token}
                )
                assert answer.status == 201
    await case.conclude()
    assert (await case.open_causes() != [], await case.open_alarms() != []) == (blamed, blamed)


async def test_reports_alone_never_fence_a_host_nor_change_what_probes_say(case: Case) -> None:
    for tenant in TENANTS:
        server = await case.server(tenant)
        for symptom in ("unreachable", "unresponsive", "crashed", "io_error"):
            await case.report(tenant, server, symptom)
    await case.conclude()
    assert await case.open_causes() != []
    await case.look()
    await case.go_on()
    assert case.plug.cuts == []
    assert await case.failure("host1") is None
    assert not (await case.host("host1")).dead
    health = await case.cloud.rows("SELECT verdict FROM host_verdicts")
    assert {str(row[0]) for row in health} == {"up"}
    row = await case.cloud.rows("SELECT enabled, forced_down FROM hosts WHERE name = 'host1'")
    assert row == [(1, 0)]


async def test_a_host_that_dies_is_the_cause_by_the_alarm_that_it_has_already(case: Case) -> None:
    server = await case.server(TENANTS[0])
    case.silence("host1")
    await case.look()
    await case.report(TENANTS[0], server)
    await case.conclude()
    found = await case.open_alarms()
    (root,) = [alarm for alarm in found if alarm["is_root_cause"]]
    assert (root["probable_cause"], root["managed_object"]["name"]) == ("Host failure", "host1")
    (cause,) = await case.open_causes()
    assert (cause["component"], cause["alarm_id"]) == ("host:host1", root["id"])
    assert {alarm["root_alarm_id"] for alarm in found} - {None} == {root["id"]}


async def test_a_switch_that_fails_is_one_cause_above_the_cards_and_hosts_that_it_takes_along(case: Case) -> None:
    for name in ("host1", "host2"):
        await case.stand(f"nic:{name}:tenant", "switch:left")
    case.tenant.down = {"host1", "host2"}
    await case.look()
    for tenant, name in zip(TENANTS[:4], ("host1", "host1", "host2", "host2"), strict=True):
        await case.report(tenant, await case.server(tenant, name))
    await case.conclude()
    (cause,) = await case.open_causes()
    assert cause["component"] == "switch:left"
    found = await case.open_alarms()
    (root,) = [alarm for alarm in found if alarm["is_root_cause"]]
    hosts = [alarm["managed_object"]["name"] for alarm in found if alarm["managed_object"]["type"] == "host"]
    assert sorted(hosts) == ["host1", "host2"]
    assert len(root["correlated_alarm_ids"]) == 6


async def test_what_is_concluded_is_revised_as_facts_come(case: Case) -> None:
    """First one card, then the other one of the same switch: it was the switch."""
    for name in ("host1", "host2"):
        await case.stand(f"nic:{name}:tenant", "switch:left")
    case.tenant.down = {"host1"}
    await case.look()
    await case.conclude()
    assert [cause["component"] for cause in await case.open_causes()] == [CARD]
    case.tenant.down = {"host1", "host2"}
    await case.look()
    await case.conclude()
    assert [cause["component"] for cause in await case.open_causes()] == ["switch:left"]
    roots = [alarm for alarm in await case.open_alarms() if alarm["is_root_cause"]]
    assert [root["managed_object"]["type"] for root in roots] == ["switch"]
    case.tenant.down = {"host2"}
    await case.look()
    await case.conclude()
    assert [cause["component"] for cause in await case.open_causes()] == ["nic:host2:tenant"]


async def test_two_faults_at_once_are_two_causes(case: Case) -> None:
    servers = {tenant: await case.server(tenant, "host1" if n < 5 else "host2") for n, tenant in enumerate(TENANTS)}
    case.tenant.down = {"host1"}
    await case.look()
    for n, (tenant, server) in enumerate(servers.items()):
        await case.report(tenant, server, "unreachable" if n < 5 else "unresponsive")
    await case.conclude()
    assert sorted(cause["component"] for cause in await case.open_causes()) == ["engine:host2", CARD]


async def test_what_a_monitor_says_of_a_feed_explains_the_hosts_on_it(case: Case) -> None:
    for name in ("host1", "host2"):
        await case.stand(f"host:{name}", "feed:a")
    await case.say("feed:a", "down")
    case.silence("host1", "host2")
    await case.look()
    await case.conclude()
    assert [cause["component"] for cause in await case.open_causes()] == ["feed:a"]
    roots = [alarm for alarm in await case.open_alarms() if alarm["is_root_cause"]]
    assert [root["managed_object"]["name"] for root in roots] == ["a"]
    await case.say("feed:a", "up")
    case.silence()
    case.tenant.down = case.management.down = set()
    await case.look()
    await case.conclude()
    assert await case.open_causes() == []


async def test_a_cause_that_only_reports_speak_of_ends_with_them(case: Case) -> None:
    made = []
    for tenant in TENANTS[:5]:
        answer = await case.report(tenant, await case.server(tenant), "packet_loss")
        made.append((tenant, answer.ok("fault_report")["id"]))
    await case.conclude()
    assert len(await case.open_causes()) == 1
    for tenant, id in made:
        assert (await case.ask("DELETE", f"/fault-reports/{id}", project=tenant)).status == 204
    await case.conclude()
    assert (await case.open_causes(), await case.open_alarms()) == ([], [])


async def test_reports_that_nobody_repeats_are_over_after_an_hour(case: Case) -> None:
    for tenant in TENANTS[:5]:
        await case.report(tenant, await case.server(tenant), "packet_loss")
    await case.conclude()
    case.cloud.clock.added_s += fault_reports.HOLDS_S + 1
    async with case.cloud.store.write() as tx:
        await fault_reports.expire(tx, 100)
    await case.conclude()
    assert (await case.open_causes(), await case.open_alarms()) == ([], [])
    reports = (await case.ask("GET", "/fault-reports")).ok("fault_reports")
    assert {report["state"] for report in reports} == {"expired"}


async def test_an_operator_who_clears_the_root_ends_what_was_said_of_it(case: Case) -> None:
    for tenant in TENANTS[:5]:
        await case.report(tenant, await case.server(tenant), "packet_loss")
    await case.conclude()
    (root,) = [alarm for alarm in await case.open_alarms() if alarm["is_root_cause"]]
    case.cloud.clock.passed_s += 1
    (await case.ask("PATCH", f"/alarms/{root['id']}", {"alarm": {"cleared": True}})).ok()
    await case.conclude()
    assert (await case.open_causes(), await case.open_alarms()) == ([], [])


async def test_what_is_said_when_the_fault_is_over_already_blames_nobody(case: Case) -> None:
    servers = {tenant: await case.server(tenant) for tenant in TENANTS}
    case.tenant.down = {"host1"}
    await case.look()
    for tenant in TENANTS[:5]:
        await case.report(tenant, servers[tenant])
    await case.conclude()
    case.tenant.down = set()
    case.cloud.clock.passed_s += 5
    await case.look()
    await case.conclude()
    for tenant in TENANTS[5:]:
        await case.report(tenant, servers[tenant])
    await case.conclude()
    assert await case.open_causes() == []


async def test_who_takes_the_duty_over_finds_what_was_concluded(case: Case) -> None:
    for tenant in TENANTS[:5]:
        await case.report(tenant, await case.server(tenant), "packet_loss")
    await case.conclude()
    before = await case.open_causes()
    events = await case.cloud.rows("SELECT MAX(seq) FROM events")
    await case.causes.on_resync()
    await case.conclude()
    assert await case.open_causes() == before
    assert await case.cloud.rows("SELECT MAX(seq) FROM events") == events


async def test_what_healed_while_nobody_looked_is_over_for_who_takes_over(case: Case) -> None:
    case.tenant.down = {"host1"}
    await case.look()
    await case.conclude()
    assert len(await case.open_causes()) == 1
    case.tenant.down = set()
    await case.look()
    case.follower.leave("causes", case.causes.on_events)
    await case.causes.on_resync()
    await case.conclude()
    assert (await case.open_causes(), await case.open_alarms()) == ([], [])


async def test_what_moved_away_takes_no_blame_along(case: Case) -> None:
    """The evidence stays with the host on which the server was ill."""
    for tenant in TENANTS[:5]:
        server = await case.server(tenant)
        await case.report(tenant, server, "packet_loss")
        async with case.cloud.store.write() as tx:
            (host2,) = [host.id for host in await tx.select(HOSTS) if host.name == "host2"]
            await tx.run("UPDATE servers SET host_id = ? WHERE id = ?", host2, server)
    await case.conclude()
    assert [cause["component"] for cause in await case.open_causes()] == ["chassis:host1"]
