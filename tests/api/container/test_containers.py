"""Containers by the container service: made, shown, listed, changed and deleted."""

from tests.api.container.container_cloud import Project, cloud, mine, theirs, why

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
