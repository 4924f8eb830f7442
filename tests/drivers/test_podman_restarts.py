"""Containers that end by themselves: the watch tells of it, and the policy decides whether they start again."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.drivers.podman_containers import (
    PATIENCE_S,
    eventually,
    inner_process,
    log_has,
    look,
    machines,
    power_becomes,
    running_shell,
    started,
    told,
)

from trivet.drivers.podman.machines import PodmanMachines

__all__ = ["machines"]

pytestmark = pytest.mark.dataplane


async def test_the_watch_tells_of_an_end_and_of_a_later_one(machines: PodmanMachines, tmp_path: Path) -> None:
    watch = machines.watch()
    spec = running_shell("trap 'exit 4' USR1; echo up; while :; do sleep 1000 & wait; done")
    for boot in (1, 2):
        hint = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        await machines.create(spec)
        await machines.start(spec.id, {"boot": str(boot)})
        await log_has(machines, spec.id, "up", times=boot)
        assert not hint.done()
        os.kill(inner_process(tmp_path / "podman", spec.id)[1], signal.SIGUSR1)
        assert await asyncio.wait_for(hint, PATIENCE_S) == spec.id
        seen = await look(machines, spec.id)
        assert (seen.power, seen.exit_code) == ("crashed", 4)


@pytest.fixture
async def watched(machines: PodmanMachines) -> AsyncIterator[PodmanMachines]:
    async def read() -> None:
        async for _ in machines.watch():
            pass

    reading = asyncio.ensure_future(read())
    yield machines
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def test_after_a_failure_the_policy_starts_it_again(watched: PodmanMachines) -> None:
    script = "echo run; [ -e /root/once ] && sleep 1000; touch /root/once; exit 1"
    id = await started(watched, running_shell(script, restart="on-failure"))
    await log_has(watched, id, "run", times=2)
    await power_becomes(watched, id, "running")
    assert told(await look(watched, id)) == {"boot": "1", "build": "7"}


async def test_one_that_is_gone_before_podman_says_that_it_started_is_started_again(
    watched: PodmanMachines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a host with much to do."""
    real, slow = shutil.which("podman"), tmp_path / "bin" / "podman"
    slow.parent.mkdir()
    conmon = f"/proc/$(cat {tmp_path}/podman/machines/*/conmon.pid || echo gone)"
    waiting = f'case "$*" in *" start "*) while [ -e {conmon} ]; do sleep 0.05; done; esac'
    slow.write_text(f'#!/bin/sh\n{real} "$@" || exit\n{waiting}\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    id = await started(watched, running_shell("echo run; exit 1", restart="on-failure"))
    await log_has(watched, id, "run", times=3)


async def test_a_good_end_is_followed_by_a_start_only_if_the_policy_is_always(watched: PodmanMachines) -> None:
    always = await started(watched, running_shell("echo run", restart="always"))
    failure = await started(watched, running_shell("echo run", restart="on-failure"))
    await log_has(watched, failure, "run")
    await log_has(watched, always, "run", times=3)
    assert (await watched.console_log(failure, 1000)).count(b"run") == 1


async def test_a_policy_does_not_start_what_was_stopped_or_removed(watched: PodmanMachines) -> None:
    stopped = await started(watched, running_shell("echo run; exit 1", restart="always"))
    removed = await started(watched, running_shell("echo run; exit 1", restart="always"))
    await log_has(watched, stopped, "run", times=2)
    await watched.stop(stopped, 0)
    await watched.remove(removed)
    runs = (await watched.console_log(stopped, 10_000)).count(b"run")
    await asyncio.sleep(3)
    assert (await watched.console_log(stopped, 10_000)).count(b"run") == runs
    assert list(await watched.observe()) == [stopped]


async def test_what_ended_while_nobody_watched_is_started_by_the_next_who_does(
    machines: PodmanMachines,
) -> None:
    id = await started(machines, running_shell("echo run; exit 1", restart="on-failure"))
    seen = await eventually(lambda: look(machines, id), lambda seen: seen.exit_code is not None)
    assert (seen.power, seen.exit_code) == ("running", 1), "between two runs it counts as running"
    hint = asyncio.ensure_future(anext(machines.watch()))
    await log_has(machines, id, "run", times=2)
    await asyncio.wait_for(hint, PATIENCE_S)
