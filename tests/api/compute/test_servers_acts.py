"""Acts on servers: from which state to which, what refuses them, and what is kept of them."""

import asyncio
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.one_service import THEIRS

from trivet.controllers.servers.console_reads import ConsoleReads
from trivet.domain.servers import consoles
from trivet.domain.servers import ending as server_ending
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.store import leases

__all__ = ["cloud"]


async def status(cloud: Cloud, id: str) -> str:
    return str((await cloud.show(id))["status"])


@pytest.mark.parametrize(
    ("before", "action", "said", "task", "meanwhile", "after"),
    [
        ([], "os-stop", None, "powering-off", "ACTIVE", "SHUTOFF"),
        (["os-stop"], "os-start", None, "powering-on", "SHUTOFF", "ACTIVE"),
        ([], "reboot", {"type": "SOFT"}, "rebooting", "REBOOT", "ACTIVE"),
        ([], "reboot", {"type": "hard"}, "rebooting_hard", "HARD_REBOOT", "ACTIVE"),
        (["os-stop"], "reboot", {"type": "HARD"}, "rebooting_hard", "SHUTOFF", "ACTIVE"),
        ([], "pause", None, "pausing", "ACTIVE", "PAUSED"),
        (["pause"], "unpause", None, "unpausing", "PAUSED", "ACTIVE"),
        ([], "suspend", None, "suspending", "ACTIVE", "SUSPENDED"),
        (["suspend"], "resume", None, "resuming", "SUSPENDED", "ACTIVE"),
    ],
)
async def test_an_act_is_a_task_until_the_host_reports(
    cloud: Cloud, before: list[str], action: str, said: Any, task: str, meanwhile: str, after: str
) -> None:
    id = await cloud.made()
    for earlier in before:
        (await cloud.act(id, earlier)).ok()
        await cloud.settle()
    assert (await cloud.act(id, action, said)).status == 202
    view = await cloud.show(id)
    assert (view["OS-EXT-STS:task_state"], view["status"]) == (task, meanwhile)
    await cloud.settle()
    view = await cloud.show(id)
    assert (view["OS-EXT-STS:task_state"], view["status"]) == (None, after)


@pytest.mark.parametrize("action", ["os-start", "unpause", "resume", "unshelve", "confirmResize", "revertResize"])
async def test_an_act_that_the_state_does_not_allow_is_a_conflict_in_novas_words(cloud: Cloud, action: str) -> None:
    id = await cloud.made()
    message = (await cloud.act(id, action)).refused(409)
    assert message.startswith("Cannot '")
    assert message.endswith(f"instance {id} while it is in vm_state active")


async def test_while_a_task_is_going_on_another_act_is_refused(cloud: Cloud) -> None:
    id = await cloud.made()
    (await cloud.act(id, "pause")).ok()
    message = (await cloud.act(id, "os-stop")).refused(409)
    assert message == f"Cannot 'stop' instance {id} while it is in task_state pausing"
    (await cloud.call("DELETE", f"/servers/{id}")).ok()


async def test_what_a_container_cannot_do_is_told_with_the_reason(cloud: Cloud) -> None:
    id = await cloud.made(imageRef=cloud.container_image)
    message = (await cloud.act(id, "suspend")).refused(409)
    assert message.startswith("suspend is not applicable to a container: ")
    screen = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    assert "screen" in (await cloud.call("POST", f"/servers/{id}/remote-consoles", screen)).refused(400)
    (await cloud.act(id, "pause")).ok()


@pytest.mark.parametrize("action", ["os-migrateLive"])
async def test_what_nothing_can_do_yet_says_so(cloud: Cloud, action: str) -> None:
    id = await cloud.made()
    admin = cloud.token("admin")
    assert "not applicable" in (await cloud.act(id, action, token=admin)).refused(409)


async def test_the_time_that_a_guest_gets_to_stop_comes_from_the_call_or_the_image(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        slow = await cloud.add_image(tx, "slow", "qcow2", "bare", properties={"os_shutdown_timeout": "120"})
    id = await cloud.made(imageRef=slow)
    (await cloud.act(id, "os-stop")).ok()
    assert await cloud.rows("SELECT grace_s FROM servers") == [(120.0,)]
    await cloud.settle()
    (await cloud.act(id, "os-start")).ok()
    await cloud.settle()
    (await cloud.act(id, "os-stop", {"timeout": 5})).ok()
    assert await cloud.rows("SELECT grace_s FROM servers") == [(5.0,)]
    assert "timeout" in (await cloud.act(id, "os-stop", {"timeout": -1})).refused(400)


async def test_a_locked_server_is_only_an_operators(cloud: Cloud) -> None:
    id, admin = await cloud.made(), cloud.token("admin")
    (await cloud.act(id, "lock", {"locked_reason": "mine"})).ok()
    view = await cloud.show(id)
    assert (view["locked"], view["locked_reason"]) == (True, "mine")
    assert (await cloud.act(id, "os-stop")).refused(409) == f"Instance {id} is locked"
    assert (await cloud.call("DELETE", f"/servers/{id}")).refused(409) == f"Instance {id} is locked"
    (await cloud.act(id, "os-stop", token=admin)).ok()
    await cloud.settle()
    (await cloud.act(id, "unlock")).ok()
    (await cloud.act(id, "os-start")).ok()


async def test_what_an_operator_locked_its_owner_cannot_unlock(cloud: Cloud) -> None:
    id, admin = await cloud.made(), cloud.token("admin", project_id=THEIRS)
    (await cloud.act(id, "lock", token=admin)).ok()
    (await cloud.act(id, "unlock")).refused(403)
    (await cloud.act(id, "unlock", token=admin)).ok()
    assert (await cloud.show(id))["locked"] is False


async def test_rebuild_makes_a_new_disk_and_keeps_the_addresses(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        other = await cloud.add_image(tx, "other", "qcow2", "bare")
    id = await cloud.made()
    addresses = (await cloud.show(id))["addresses"]
    answer = await cloud.act(id, "rebuild", {"imageRef": other, "name": "two", "metadata": {"a": "b"}})
    assert answer.status == 202
    view = answer.body["server"]
    assert (view["status"], view["image"]["id"], view["name"]) == ("REBUILD", other, "two")
    await cloud.settle()
    view = await cloud.show(id)
    assert (view["status"], view["metadata"], view["addresses"]) == ("ACTIVE", {"a": "b"}, addresses)
    assert await cloud.rows("SELECT builds, boots FROM servers") == [(2, 2)]
    assert "cannot be run by a vm" in (await cloud.act(id, "rebuild", {"imageRef": cloud.container_image})).refused(400)


async def capacity(cloud: Cloud) -> dict[str, int]:
    return dict(await cloud.rows("SELECT class, SUM(used) FROM claims GROUP BY class"))


async def quota(cloud: Cloud) -> int:
    return int((await cloud.rows("SELECT used FROM quota_usages WHERE resource = 'class:VCPU'"))[0][0])


async def medium(cloud: Cloud, vcpus: int = 2) -> None:
    async with cloud.store.write() as tx:
        await tx.run(
            "INSERT INTO flavors SELECT 'medium', 1, 'm1.medium', ?, 1024, 2, created_at, 0, 0, 1.0, 1, 0, NULL, '{}'"
            " FROM flavors WHERE id = 'tiny'",
            vcpus,
        )


@pytest.mark.parametrize(("answer", "vcpus"), [("confirmResize", 2), ("revertResize", 1)])
async def test_a_resize_holds_enough_for_both_ways_until_it_is_decided(cloud: Cloud, answer: str, vcpus: int) -> None:
    await medium(cloud)
    id = await cloud.made()
    (await cloud.act(id, "resize", {"flavorRef": "medium"})).ok()
    assert await status(cloud, id) == "RESIZE"
    await cloud.settle()
    assert await status(cloud, id) == "VERIFY_RESIZE"
    assert (await capacity(cloud))["VCPU"] == 2
    (await cloud.act(id, answer)).ok()
    await cloud.settle()
    assert await status(cloud, id) == "ACTIVE"
    assert (await capacity(cloud))["VCPU"] == vcpus
    assert await quota(cloud) == vcpus
    assert (await cloud.show(id))["flavor"]["vcpus"] == vcpus
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    await cloud.settle()
    assert await capacity(cloud) == {}
    assert await quota(cloud) == 0


async def test_a_resize_that_the_host_has_no_room_for_changes_nothing(cloud: Cloud) -> None:
    await medium(cloud, vcpus=19)
    id = await cloud.made()
    before = await cloud.rows("SELECT * FROM servers")
    assert "no room" in (await cloud.act(id, "resize", {"flavorRef": "medium"})).refused(409)
    assert await cloud.rows("SELECT * FROM servers") == before
    assert "must change flavor" in (await cloud.act(id, "resize", {"flavorRef": "tiny"})).refused(400)


async def test_an_image_of_a_server_waits_for_its_bytes(cloud: Cloud) -> None:
    id = await cloud.made()
    image_id = (await cloud.act(id, "createImage", {"name": "shot", "metadata": {"a": "b"}})).ok()["image_id"]
    ((name, state, disk_format),) = await cloud.rows(
        "SELECT name, status, disk_format FROM images WHERE id = ?", image_id
    )
    assert (name, state, disk_format) == ("shot", "queued", "qcow2")
    assert (await cloud.show(id))["OS-EXT-STS:task_state"] == "image_snapshot"
    await cloud.settle()
    assert (await cloud.show(id))["OS-EXT-STS:task_state"] is None
    old = await cloud.act(id, "createImage", {"name": "shot"}, version="2.44")
    assert old.raw == b""
    assert "/image/v2/images/" in old.headers["location"]


async def test_backups_beyond_the_rotation_are_dropped_the_oldest_first(cloud: Cloud) -> None:
    id = await cloud.made()
    for n in range(4):
        cloud.clock.added_s += 1
        (await cloud.act(id, "createBackup", {"name": f"b{n}", "backup_type": "daily", "rotation": 2})).ok()
        await cloud.settle()
    names = await cloud.rows("SELECT name FROM images WHERE name LIKE 'b_' ORDER BY name")
    assert names == [("b2",), ("b3",)]


async def test_an_operator_may_say_what_state_a_server_is_in(cloud: Cloud) -> None:
    id, admin = await cloud.made(), cloud.token("admin")
    (await cloud.act(id, "os-resetState", {"state": "error"})).refused(403)
    (await cloud.act(id, "os-resetState", {"state": "error"}, token=admin)).ok()
    assert await status(cloud, id) == "ERROR"
    (await cloud.act(id, "reboot", {"type": "HARD"})).ok()
    await cloud.settle()
    assert await status(cloud, id) == "ACTIVE"


@pytest.mark.parametrize("action", ["resetNetwork", "injectNetworkInfo"])
async def test_an_operator_can_have_the_ports_plugged_again(cloud: Cloud, action: str) -> None:
    id, admin = await cloud.made(), cloud.token("admin")
    ((before,),) = await cloud.rows("SELECT revision FROM servers")
    (await cloud.act(id, action)).refused(403)
    (await cloud.act(id, action, token=admin)).ok()
    assert await cloud.rows("SELECT revision FROM servers") == [(before + 1,)], "that is what makes an agent look"


async def test_what_was_done_is_listed_with_who_asked_and_how_it_ended(cloud: Cloud) -> None:
    id = await cloud.made()
    cloud.clock.added_s += 1
    stop = await cloud.act(id, "os-stop", token=cloud.token(user_id="mei"))
    listed = (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"]
    assert [(one["action"], one["user_id"]) for one in listed] == [("stop", "mei"), ("create", "wei")]
    assert listed[0]["request_id"] == stop.headers["x-openstack-request-id"]
    path = f"/servers/{id}/os-instance-actions/{listed[0]['request_id']}"
    (event,) = (await cloud.call("GET", path)).ok()["instanceAction"]["events"]
    assert event["result"] is None
    await cloud.settle()
    (event,) = (await cloud.call("GET", path)).ok()["instanceAction"]["events"]
    assert event["result"] == "Success"
    cloud.failing = "The disk is full."
    (await cloud.act(id, "os-start")).ok()
    await cloud.settle()
    (failed, *_) = (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"]
    assert failed["message"] == "Error"
    cloud.failing = ""


async def test_actions_outlive_their_server_since_2_21(cloud: Cloud) -> None:
    id = await cloud.made()
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    await cloud.settle()
    listed = (await cloud.call("GET", f"/servers/{id}/os-instance-actions")).ok()["instanceActions"]
    assert {one["action"] for one in listed} == {"create", "delete"}
    (await cloud.call("GET", f"/servers/{id}/os-instance-actions", version="2.20")).refused(404)


async def test_an_action_list_is_paged(cloud: Cloud) -> None:
    id = await cloud.made()
    for action in ("lock", "unlock", "lock"):
        cloud.clock.added_s += 1
        (await cloud.act(id, action)).ok()
    first = (await cloud.call("GET", f"/servers/{id}/os-instance-actions?limit=2")).ok()
    marker = first["links"][0]["href"].partition("?")[2]
    rest = (await cloud.call("GET", f"/servers/{id}/os-instance-actions?{marker}")).ok()
    assert [one["action"] for one in first["instanceActions"] + rest["instanceActions"]] == [
        "lock",
        "unlock",
        "lock",
        "create",
    ]


async def test_a_console_token_opens_one_server_for_a_while_and_is_not_kept_in_the_clear(cloud: Cloud) -> None:
    id = await cloud.made()
    wanted = {"remote_console": {"protocol": "serial", "type": "serial"}}
    console = (await cloud.call("POST", f"/servers/{id}/remote-consoles", wanted)).ok()["remote_console"]
    url, token = console["url"].split("?token=")
    assert url == "ws://127.0.0.1:8774/console/serial"
    assert token not in str(await cloud.rows("SELECT * FROM console_tokens"))
    async with cloud.store.read() as tx:
        target = await consoles.redeem(tx, consoles.digest(token))
        assert target is not None
        assert (target.server_id, target.kind, target.type) == (id, "vm", "serial")
        assert await consoles.redeem(tx, consoles.digest("other")) is None
    seen = await cloud.call("GET", f"/os-console-auth-tokens/{token}", token=cloud.token("admin"))
    assert seen.ok()["console"]["instance_uuid"] == id
    cloud.clock.added_s += consoles.TOKEN_S + 1
    async with cloud.store.read() as tx:
        assert await consoles.redeem(tx, consoles.digest(token)) is None


async def test_the_old_console_action_gives_a_page_for_a_browser(cloud: Cloud) -> None:
    id = await cloud.made()
    console = (await cloud.act(id, "os-getVNCConsole", {"type": "novnc"}, version="2.1")).ok()["console"]
    assert console["url"].startswith("http://127.0.0.1:8774/console/vnc?token=")
    (await cloud.act(id, "os-getVNCConsole", {"type": "novnc"}, version="2.6")).refused(400)
    (await cloud.act(id, "os-getVNCConsole", {"type": "telnet"}, version="2.1")).refused(400)


async def test_console_output_comes_from_whoever_has_the_hosts_engines(cloud: Cloud) -> None:
    id = await cloud.made()
    machines = SimMachines(cloud.clock, Temper())
    machines.adopt(id, "one", "running", {})
    await machines.start(id, {"boots": "1"})
    await machines.start(id, {"boots": "2"})
    host_ids = [row[0] for row in await cloud.rows("SELECT id FROM hosts")]
    async with cloud.store.write() as tx:
        lease = await leases.take(tx, "agent", "me", 60)
    assert lease is not None
    reads = ConsoleReads(cloud.store, host_ids, lambda host_id, kind: machines, lease)

    async def answering() -> None:
        while True:
            await reads.on_resync()
            await asyncio.sleep(0.001)

    answerer = asyncio.create_task(answering())
    try:
        whole = (await cloud.act(id, "os-getConsoleOutput", {})).ok()["output"]
        assert "Simulated boot 1 of one" in whole
        assert whole.endswith("\n"), "which begins no other line"
        last = (await cloud.act(id, "os-getConsoleOutput", {"length": 1})).ok()["output"]
        assert last
        assert last == whole.splitlines()[-1]
    finally:
        answerer.cancel()
    assert await cloud.rows("SELECT * FROM console_reads") == []


async def test_deleting_twice_is_the_same_as_once(cloud: Cloud) -> None:
    id = await cloud.made()
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    await cloud.settle()
    assert await cloud.rows("SELECT status FROM servers") == [("deleted",)]


async def test_a_deleted_server_and_what_was_done_to_it_are_forgotten_after_a_day(cloud: Cloud) -> None:
    old, young, living = await cloud.made(), await cloud.made(), await cloud.made()
    (await cloud.call("DELETE", f"/servers/{old}")).ok()
    await cloud.settle()
    cloud.clock.added_s += server_ending.KEEP_S / 2
    (await cloud.call("DELETE", f"/servers/{young}")).ok()
    await cloud.settle()
    cloud.clock.added_s += server_ending.KEEP_S / 2 + 1
    async with cloud.store.write() as tx:
        assert await server_ending.forget_deleted(tx) == 1
        assert await server_ending.forget_deleted(tx) == 0
    assert {row[0] for row in await cloud.rows("SELECT id FROM servers")} == {young, living}
    assert {row[0] for row in await cloud.rows("SELECT server_id FROM server_actions")} == {young, living}
