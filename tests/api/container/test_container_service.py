"""Containers by the container service: made, shown, listed, changed and deleted."""

import base64
from typing import Any

import pytest
from tests.api.container.container_cloud import Containers, Project, cloud, mine, theirs, why

__all__ = ["cloud", "mine", "theirs"]


async def test_a_container_is_created_and_waits_to_be_started(mine: Project) -> None:
    answer = await mine.create(name="one", command=["sleep", "1000"], cpu=0.1, memory=100)
    view = answer.ok()
    assert answer.status == 202
    assert (view["status"], view["name"], view["task_state"]) == ("Creating", "one", "container_creating")
    assert answer.headers["location"].endswith(f"/container/v1/containers/{view['uuid']}")
    view = await mine.becomes(view["uuid"], "Created")
    assert (view["cpu"], view["memory"], view["disk"], view["command"]) == (0.1, "100", 10, ["sleep", "1000"])
    assert "in Created state" in why(await mine.act(view["uuid"], "stop"), 409)
    assert (await mine.act(view["uuid"], "start")).status == 202
    await mine.becomes(view["uuid"], "Running")


async def test_one_that_is_run_starts_by_itself_and_says_all_that_it_was_told(mine: Project) -> None:
    said: dict[str, Any] = {
        "environment": {"key1": "env1"}, "labels": {"key1": "label1"}, "workdir": "/tmp", "hostname": "web",
        "restart_policy": {"Name": "on-failure", "MaximumRetryCount": 2}, "interactive": True, "tty": True,
        "entrypoint": ["/bin/sh", "-c"], "command": ["true"], "auto_heal": True,
        "healthcheck": {"cmd": "true", "interval": 15, "retries": 2, "timeout": 3},
    }  # fmt: skip
    view = await mine.show(await mine.made(**said))
    for name in ("environment", "labels", "workdir", "hostname", "interactive", "tty", "entrypoint", "command"):
        assert view[name] == said[name], name
    assert view["restart_policy"] == {"Name": "on-failure", "MaximumRetryCount": "2"}
    assert view["healthcheck"] == {"test": "true", "interval": 15, "timeout": 3, "retries": 2}
    assert (view["image"], view["image_driver"], view["auto_heal"]) == ("shell", "docker", True)
    assert not {"host", "privileged", "runtime", "image_pull_policy"} & view.keys(), "for operators"
    (fixed,) = view["addresses"][mine.network_id]
    assert fixed.keys() == {"addr", "version", "port", "subnet_id", "preserve_on_delete"}
    assert len(view["security_groups"]) == 1


async def test_a_health_check_is_run_no_more_often_than_its_host_bears(mine: Project) -> None:
    view = (await mine.create(healthcheck={"cmd": "true", "interval": 1})).ok()
    assert view["healthcheck"]["interval"] == 10


async def test_a_container_is_a_server_and_a_server_of_that_kind_a_container(cloud: Containers, mine: Project) -> None:
    id = await mine.made(name="both", cpu=0.5, memory=64)
    token, whole = mine.token(), cloud.whole
    server = (await whole.call("GET", f"/compute/v2.1/servers/{id}", token=token)).ok("server")
    assert (server["name"], server["status"]) == ("both", "ACTIVE")
    assert (server["flavor"]["vcpus"], server["flavor"]["ram"], server["flavor"]["original_name"]) == (
        1,
        64,
        "container",
    )
    (await whole.call("POST", f"/compute/v2.1/servers/{id}/action", {"os-stop": None}, token=token)).ok()
    await mine.becomes(id, "Stopped")
    images = (await whole.call("GET", "/image/v2/images", token=token)).ok("images")
    image = next(image["id"] for image in images if image["name"] == "shell")
    wanted = {"name": "by-nova", "imageRef": image, "flavorRef": "42", "networks": [{"uuid": mine.network_id}]}
    made = await whole.made("/compute/v2.1/servers", {"server": wanted}, token)
    view = await mine.becomes(made["id"], "Running")
    assert (view["image"], view["memory"], view["cpu"]) == ("shell", "128", 1.0)
    assert "resize it as a server" not in str(view)
    listed = (await mine.call("GET", "/containers")).ok("containers")
    assert {one["uuid"] for one in listed} == {id, made["id"]}


async def test_what_its_program_does_is_seen_and_told(cloud: Containers, mine: Project) -> None:
    id = await mine.made()
    assert (await mine.show(id))["status_detail"] == "Up"
    cloud.engine_of(id).power_off(id)
    await mine.becomes(id, "Stopped")
    assert (await mine.act(id, "start")).status == 202
    await mine.becomes(id, "Running")
    (await mine.act(id, "kill")).ok()
    view = await mine.becomes(id, "Stopped")
    assert view["status_detail"] == "Exited(137)"


async def test_its_acts_are_those_of_the_server(mine: Project) -> None:
    id = await mine.made()
    for action, status in (
        ("pause", "Paused"), ("unpause", "Running"), ("stop", "Stopped"), ("start", "Running"), ("reboot", "Running"),
        ("rebuild", "Running"),
    ):  # fmt: skip
        assert (await mine.act(id, action)).status == 202, action
        await mine.until(id, lambda view, status=status: view["status"] == status and view["task_state"] is None)  # type: ignore[misc] # of this turn
    actions = (await mine.call("GET", f"/containers/{id}/container_actions")).ok("containerActions")
    assert [action["action"] for action in actions] == [
        "rebuild", "reboot", "start", "stop", "unpause", "pause", "create",
    ]  # fmt: skip
    newest = (await mine.call("GET", f"/containers/{id}/container_actions/{actions[0]['request_id']}")).ok()
    assert newest["message"] is None and newest["finish_time"] is not None
    assert newest["events"][0]["result"] == "Success"
    assert "could not be found" in why(await mine.call("GET", f"/containers/{id}/container_actions/req-no"), 404)


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        ("Created", ("stop", "pause", "unpause", "kill", "commit?repository=r", "execute?command=true", "attach")),
        ("Running", ("start", "unpause")),
        ("Paused", ("start", "stop", "pause", "kill", "reboot", "rebuild", "execute?command=true")),
        ("Stopped", ("stop", "pause", "unpause", "kill", "top", "stats")),
    ],
)
async def test_what_a_state_does_not_allow_is_refused_in_its_words(
    mine: Project, status: str, refused: tuple[str, ...]
) -> None:
    id = await mine.made("Created" if status == "Created" else "Running")
    if status in ("Paused", "Stopped"):
        (await mine.act(id, "pause" if status == "Paused" else "stop")).ok()
        await mine.becomes(id, status)
    for words in refused:
        method = "GET" if words in ("top", "stats", "attach") else "POST"
        action, _, query = words.partition("?")
        said = dict([query.split("=")]) if query else {}
        answer = await mine.call(method, f"/containers/{id}/{action}", **said)
        assert why(answer, 409) == f"Cannot {action} container {id} in {status} state"


async def test_deleting_needs_a_stop_or_force(cloud: Containers, mine: Project) -> None:
    id = await mine.made()
    assert "Cannot delete container" in why(await mine.call("DELETE", f"/containers/{id}"), 409)
    assert "delete_force" in why(await mine.call("DELETE", f"/containers/{id}", force="true"), 403)
    assert "only supported from version 1.12" in why(
        await mine.call("DELETE", f"/containers/{id}", stop="true", version="1.11"), 400
    )
    assert (await mine.call("DELETE", f"/containers/{id}", stop="true")).status == 204
    await mine.gone(id)
    id = await mine.made()
    assert (await mine.call("DELETE", f"/containers/{id}", force="true", role="admin")).status == 204
    await mine.gone(id)
    created = await mine.made("Created")
    assert (await mine.call("DELETE", f"/containers/{created}")).status == 204
    await mine.gone(created)
    left = await cloud.whole.call("GET", "/network/v2.0/ports", token=mine.token())
    assert left.ok("ports") == []


async def test_one_that_is_to_be_removed_goes_with_its_program(cloud: Containers, mine: Project) -> None:
    id = await mine.made(auto_remove=True)
    assert (await mine.show(id))["auto_remove"] is True
    cloud.engine_of(id).power_off(id)
    await mine.gone(id)


async def test_it_is_given_other_limits_while_it_runs(cloud: Containers, mine: Project) -> None:
    id = await mine.made(cpu=0.1, memory=100)
    view = (await mine.call("PATCH", f"/containers/{id}", {"cpu": 0.2, "memory": "200"})).ok()
    assert (view["cpu"], view["memory"], view["status"]) == (0.2, "200", "Running")
    view = await mine.until(id, lambda view: view["task_state"] is None)
    assert (view["cpu"], view["memory"]) == (0.2, "200")
    seen = (await cloud.engine_of(id).observe(id))[id]
    assert seen.marks["shape"] == "1/200/10/cpus=0.2"
    assert (await mine.call("PATCH", f"/containers/{id}", {"name": "other-name"})).ok()["name"] == "other-name"
    assert (await mine.act(id, "resize_container", {"cpu": 2})).status == 202
    await mine.until(id, lambda view: bool(view["cpu"] == 2))
    for wrong in ({"cpu": 17}, {"memory": 1}, {"image": "x"}, {"name": "?"}):
        why(await mine.call("PATCH", f"/containers/{id}", wrong), 400)


async def test_limits_that_its_host_cannot_give_are_taken_back(cloud: Containers, mine: Project) -> None:
    id = await mine.made(cpu=1, memory=100)
    hosting = cloud.whole.process.hosting
    assert hosting is not None and hosting.temper is not None
    hosting.temper.failing.add("resize")
    (await mine.call("PATCH", f"/containers/{id}", {"memory": 200})).ok()
    view = await mine.until(id, lambda view: bool(view["memory"] == "100"))
    assert view["status"] == "Running"
    (newest, *_) = (await mine.call("GET", f"/containers/{id}/container_actions")).ok("containerActions")
    assert "told to fail" in newest["message"]


async def test_names_find_what_they_are_for_and_many_of_one_name_none(mine: Project, theirs: Project) -> None:
    id = await mine.made(name="twin")
    assert (await mine.call("GET", "/containers/twin")).ok()["uuid"] == id
    assert "could not be found" in why(await theirs.call("GET", "/containers/twin"), 404)
    assert "could not be found" in why(await theirs.call("GET", f"/containers/{id}"), 404)
    await mine.made(name="twin")
    assert "Multiple containers exist with same name" in why(await mine.call("GET", "/containers/twin"), 409)


async def test_lists_are_narrowed_and_cut_and_only_operators_see_all(mine: Project, theirs: Project) -> None:
    ids = [await mine.made(name=name) for name in ("one", "two", "three")]
    await theirs.made(name="foreign")
    first = (await mine.call("GET", "/containers", limit=2, sort_key="name")).ok()
    assert [one["name"] for one in first["containers"]] == ["one", "three"]
    assert f"marker={ids[2]}" in first["next"]
    last = (await mine.call("GET", "/containers", limit=2, sort_key="name", marker=ids[2])).ok()
    assert [one["name"] for one in last["containers"]] == ["two"] and last["next"] is None
    assert [one["uuid"] for one in (await mine.call("GET", "/containers", name="two")).ok("containers")] == [ids[1]]
    assert len((await mine.call("GET", "/containers", status="Running")).ok("containers")) == 3
    assert (await mine.call("GET", "/containers", status="Stopped")).ok("containers") == []
    assert "all_projects" in why(await mine.call("GET", "/containers", all_projects="1"), 403)
    everybody = (await mine.call("GET", "/containers", all_projects="1", role="admin")).ok("containers")
    assert len(everybody) == 4 and all(one["host"] for one in everybody)
    assert "Unknown parameters: colour" in why(await mine.call("GET", "/containers", colour="red"), 400)
    why(await mine.call("GET", "/containers", limit=0), 400)
    why(await mine.call("GET", "/containers", marker="no-such"), 404)


async def test_two_slashes_are_one_for_clients_that_write_so(mine: Project) -> None:
    id = await mine.made()
    assert (await mine.call("GET", f"/containers//{id}")).ok()["uuid"] == id
    assert (await mine.call("POST", f"/containers//{id}/stop")).status == 202


# -- what is said of a new one


@pytest.mark.parametrize(
    ("said", "status", "text"),
    [
        ({"image": 7}, 400, "image"),
        ({"image": "no-such"}, 400, "Image no-such could not be found"),
        ({"name": "-x"}, 400, "name"),
        ({"name": "x"}, 400, "name"),
        ({"colour": "red"}, 400, "colour"),
        ({"cpu": 0.01}, 400, "cpu"),
        ({"memory": 8193}, 400, "memory"),
        ({"disk": 0}, 400, "disk"),
        ({"command": "sleep 1"}, 400, "command"),
        ({"environment": {"A=B": "x"}}, 400, "environment"),
        ({"environment": {f"K{n}": "x" for n in range(200)}}, 400, "at most"),
        ({"labels": {f"K{n}": "x" * 1000 for n in range(100)}}, 400, "at most"),
        ({"restart_policy": {"Name": "always", "MaximumRetryCount": 3}}, 400, "maximum retry count"),
        ({"restart_policy": {"Name": "sometimes"}}, 400, "sometimes"),
        ({"security_groups": ["default"], "exposed_ports": {"80/tcp": {}}}, 400, "together"),
        ({"security_groups": ["no-such"]}, 400, "not found"),
        ({"exposed_ports": {"80/sctp": {}}}, 400, "invalid protocol"),
        ({"exposed_ports": {"99999": {}}}, 400, "publish port"),
        ({"nets": [{"network": "no-such"}]}, 404, "could not be found"),
        ({"nets": [{"network": "a", "port": "b"}]}, 400, "either"),
        ({"nets": [{"port": "5" * 36}]}, 400, "could not be found"),
        ({"mounts": [{"source": "no-such", "destination": "/data"}]}, 404, "could not be found"),
        ({"mounts": [{"size": 1, "destination": "/proc/x"}]}, 400, "/proc"),
        ({"mounts": [{"type": "bind", "source": "%%%", "destination": "/x"}]}, 400, "base64"),
        ({"mounts": [{"type": "bind", "source": "", "destination": "/../x"}]}, 400, "plain absolute"),
        ({"mounts": [{"destination": "/x"}]}, 400, "a source or a size"),
        ({"workdir": "relative"}, 400, "absolute"),
        ({"runtime": "kata"}, 403, "create:runtime"),
        ({"privileged": True}, 403, "create:privileged"),
        ({"host": "sim-00001"}, 403, "requested_destination"),
        ({"image_pull_policy": "always"}, 403, "image_pull_policy"),
        ({"registry": "mine"}, 400, "own"),
        ({"cpu_policy": "dedicated"}, 400, "cpu_policy"),
    ],
)
async def test_a_wish_that_cannot_be_met_is_refused_in_words(
    mine: Project, said: dict[str, Any], status: int, text: str
) -> None:
    assert text in why(await mine.create(**said), status)
    assert (await mine.call("GET", "/containers")).ok("containers") == []


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.39", {"entrypoint": ["sh"]}),
        ("1.38", {"host": "sim-00001"}),
        ("1.23", {"exposed_ports": {"80/tcp": {}}}),
        ("1.21", {"healthcheck": {"cmd": "true"}}),
        ("1.10", {"mounts": [{"size": 1, "destination": "/data"}]}),
        ("1.8", {"hostname": "web"}),
        ("1.2", {"auto_remove": True}),
    ],
)
async def test_a_word_is_known_since_its_version(mine: Project, version: str, said: dict[str, Any]) -> None:
    why(await mine.create(version=version, role="admin", **said), 400)


async def test_older_clients_say_a_command_as_text_and_a_terminal_by_interactive(mine: Project) -> None:
    view = (await mine.create(version="1.19", command="'/bin/sh' '-c' 'echo hello'")).ok()
    assert (view["command"], view["tty"]) == (["/bin/sh", "-c", "echo hello"], False)
    view = (await mine.create(version="1.20", interactive=True)).ok()
    assert (view["interactive"], view["tty"]) == (True, True)
    view = (await mine.create(version="1.36", interactive=True)).ok()
    assert (view["interactive"], view["tty"]) == (True, False)


async def test_a_version_that_is_not_spoken_is_refused(mine: Project) -> None:
    assert (await mine.call("GET", "/containers", version="1.41")).status == 406
    answer = await mine.call("GET", "/containers", version="latest")
    assert answer.headers["openstack-api-version"] == "container 1.40"
    id = await mine.made()
    assert (await mine.act(id, "rename", version="1.14", name="new-name")).status == 404
    assert (await mine.act(id, "rename", version="1.13", name="new-name")).ok()["name"] == "new-name"


async def test_exposed_ports_get_a_group_of_their_own_that_goes_with_it(cloud: Containers, mine: Project) -> None:
    id = await mine.made(exposed_ports={"80/tcp": {}, "53/udp": {}})
    view = await mine.show(id)
    (group_id,) = view["security_groups"]
    assert view["ports"] == [80, 53]
    path = f"/network/v2.0/security-groups/{group_id}"
    group = (await cloud.whole.call("GET", path, token=mine.token())).ok("security_group")
    rules = {(rule["protocol"], rule["port_range_min"]) for rule in group["security_group_rules"]}
    assert {("tcp", 80), ("udp", 53)} <= rules
    (await mine.call("DELETE", f"/containers/{id}", stop="true")).ok()
    await mine.gone(id)
    assert (await cloud.whole.call("GET", path, token=mine.token())).status == 404


async def test_an_operator_chooses_the_host(mine: Project) -> None:
    (host, *_) = (await mine.call("GET", "/hosts", role="admin")).ok("hosts")
    view = (await mine.create(run=True, host=host["hostname"], role="admin")).ok()
    view = (await mine.call("GET", f"/containers/{view['uuid']}", role="admin")).ok()
    assert (view["host"], view["privileged"]) == (host["hostname"], False)


async def test_files_and_volumes_are_mounted(cloud: Containers, mine: Project) -> None:
    text = base64.b64encode(b"Random text").decode()
    volume = await cloud.whole.made("/volume/v3/volumes", {"volume": {"size": 1, "name": "vol"}}, mine.token())

    async def status_of(id: str) -> str:
        path = f"/volume/v3/volumes/{id}"
        return str((await cloud.whole.call("GET", path, token=mine.token())).ok("volume")["status"])

    while await status_of(volume["id"]) != "available":
        pass
    mounts = [
        {"type": "bind", "source": text, "destination": "/data/testfile"},
        {"source": "vol", "destination": "/kept"},
        {"size": 1, "destination": "/made"},
    ]
    id = await mine.made(mounts=mounts)
    volumes = (await cloud.whole.call("GET", "/volume/v3/volumes/detail", token=mine.token())).ok("volumes")
    assert {one["attachments"][0]["server_id"] for one in volumes} == {id}
    assert {one["attachments"][0]["device"] for one in volumes} == {"/kept", "/made"}
    (await mine.call("DELETE", f"/containers/{id}", stop="true")).ok()
    await mine.gone(id)
    while await status_of(volume["id"]) != "available":
        pass
    left = {volume["id"]}
    while {
        one["id"] for one in (await cloud.whole.call("GET", "/volume/v3/volumes", token=mine.token())).ok("volumes")
    } != left:
        pass


async def test_others_volumes_networks_and_private_images_are_none(
    cloud: Containers, mine: Project, theirs: Project
) -> None:
    volume = await cloud.whole.made("/volume/v3/volumes", {"volume": {"size": 1, "name": "theirs"}}, theirs.token())
    for source in ("theirs", volume["id"]):
        why(await mine.create(mounts=[{"source": source, "destination": "/data"}]), 404)
    for network in (theirs.network_id, "net-theirs"):
        why(await mine.create(nets=[{"network": network}]), 404)
    image = await cloud.image("private-one", theirs.token(), visibility="private")
    for named in (image, "private-one"):
        why(await mine.create(image=named), 400)
    # Whoever offers an image to everybody does not thereby run wherever somebody says its name.
    await cloud.image("nginx", theirs.token(), visibility="community")
    why(await mine.create(image="nginx"), 400)
    own = await cloud.image("nginx:latest", mine.token(), visibility="private")
    assert (await mine.create(image="nginx")).ok()["image"] == "nginx"
    assert (await mine.create(image=own)).status == 202


async def test_what_a_container_takes_is_of_the_same_limits_as_servers(cloud: Containers, mine: Project) -> None:
    quotas = f"/quotas/{mine.id}"
    assert (await mine.call("PUT", quotas, {"containers": 1}, role="admin")).ok()["containers"] == 1
    await mine.made(cpu=2, memory=100, disk=5)
    used = (await mine.call("GET", quotas, usages="true")).ok()
    assert {name: found["in_use"] for name, found in used.items()} == {
        "containers": 1, "cpu": 2, "memory": 100, "disk": 5,
    }  # fmt: skip
    assert "Quota exceeded" in why(await mine.create(), 403)
    (await mine.call("DELETE", quotas, role="admin")).ok()
    (await mine.create()).ok()


async def test_what_is_attached_to_a_network_can_be_let_go(cloud: Containers, mine: Project) -> None:
    id = await mine.made()
    networks = (await mine.call("GET", f"/containers/{id}/network_list")).ok("networks")
    assert [one["net_id"] for one in networks] == [mine.network_id]
    old = (await mine.call("GET", f"/containers/{id}/network_list", version="1.17")).ok("networks")
    assert old[0]["ip_address"] == networks[0]["fixed_ips"][0]["ip_address"]
    assert "already connected" in why(await mine.act(id, "network_attach", network=mine.network_id), 400)
    assert (await mine.act(id, "network_detach", network=mine.network_id)).status == 202
    assert (await mine.show(id))["addresses"] == {}
    assert "not attached" in why(await mine.act(id, "network_detach", network="net-mine"), 400)
    (await mine.act(id, "network_attach", network="net-mine")).ok()
    port = (await mine.show(id))["addresses"][mine.network_id][0]["port"]
    assert (await mine.act(id, "network_detach", port=port)).status == 202
    why(await mine.act(id, "network_attach", network="x", port="y"), 400)


async def test_groups_were_put_on_containers_until_ports_had_them(cloud: Containers, mine: Project) -> None:
    id = await mine.made()
    body = {"security_group": {"name": "web"}}
    group = await cloud.whole.made("/network/v2.0/security-groups", body, mine.token())
    assert (await mine.act(id, "add_security_group", version="1.14", name="web")).status == 202
    assert group["id"] in (await mine.show(id))["security_groups"]
    assert (await mine.act(id, "remove_security_group", version="1.14", name="web")).status == 202
    assert (await mine.act(id, "add_security_group", version="1.15", name="web")).status == 404


async def test_a_commit_makes_an_image_of_the_cloud(cloud: Containers, mine: Project) -> None:
    id = await mine.made()
    made = await mine.act(id, "commit", repository="myrepo", tag="v1")
    assert made.status == 202
    path = f"/image/v2/images/{made.ok()['uuid']}"
    image = (await cloud.whole.call("GET", path, token=mine.token())).ok()
    assert (image["name"], image["container_format"]) == ("myrepo:v1", "docker")
