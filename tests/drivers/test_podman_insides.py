"""What a container is asked while it runs, by the real podman: commands, logs, processes, files, signals, limits."""

import asyncio
import io
import tarfile
from pathlib import Path

import pytest
from tests.drivers.podman_containers import (
    a_container,
    eventually,
    inner_process,
    log_has,
    look,
    machines,
    power_becomes,
    running_shell,
    started,
)

from trivet.drivers.contracts.container import (
    ARCHIVE_MAX,
    Containers,
    HealthCheck,
    LiveResizing,
    ReadLog,
)
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.podman.machines import PodmanMachines

__all__ = ["machines"]

pytestmark = pytest.mark.dataplane
SLEEP = "while true; do sleep 1; done"


def tar_of(**files: str) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "."))
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return written.getvalue()


def test_it_offers_what_a_container_can_be_asked(tmp_path: Path) -> None:
    driver: object = PodmanMachines(tmp_path)
    assert isinstance(driver, Containers)
    assert isinstance(driver, LiveResizing)


async def test_a_command_runs_in_it_and_its_words_and_end_are_told(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell(SLEEP, environment={"GREETING": "hi there"}, workdir="/tmp"))
    done = await machines.execute(id, ("sh", "-c", "echo $GREETING; pwd; echo oops >&2; exit 3"))
    assert (done.output, done.exit_code) == (b"hi there\n/tmp\noops\n", 3)
    assert (await machines.execute(id, ("no-such-program",))).exit_code == 127
    assert (await machines.execute(id, ("/etc/passwd",))).exit_code == 126
    assert (await machines.execute(id, ("echo", "--help; $(x)"))).output == b"--help; $(x)\n"


async def test_a_command_that_says_too_much_or_does_not_end_is_ended(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell(SLEEP))
    with pytest.raises(DriverError, match="said more than"):
        await machines.execute(id, ("sh", "-c", "yes overflowing; sleep 4321"))
    with pytest.raises(DriverError, match="took longer"):
        await machines._insides.execute(id, ("sleep", "4321"), 1.0)

    async def left() -> bytes:
        return (await machines.execute(id, ("ps",))).output

    assert await eventually(left, lambda said: b"4321" not in said)


async def test_of_what_does_not_run_nothing_is_asked(machines: PodmanMachines) -> None:
    spec = a_container()
    await machines.create(spec)
    for asked in (machines.execute(spec.id, ("true",)), machines.stats(spec.id), machines.kill(spec.id, "SIGKILL"),
                  machines.processes(spec.id, ("PID",))):  # fmt: skip
        with pytest.raises(DriverError, match="does not run"):
            await asked
    with pytest.raises(DriverError, match="not here"):
        await machines.execute("nobody", ("true",))


async def test_the_log_is_told_by_stream_by_time_and_from_its_end(machines: PodmanMachines) -> None:
    script = "echo one; echo two >&2; echo three; printf unfinished; while true; do sleep 1; done"
    id = await started(machines, running_shell(script))
    await log_has(machines, id, "three")
    assert (await machines.log(id, ReadLog(stderr=False))).text.startswith(b"one\nthree\n")
    assert (await machines.log(id, ReadLog(stdout=False))).text == b"two\n"
    assert (await machines.log(id, ReadLog(stderr=False, tail=0))).text == b""
    assert (await machines.log(id, ReadLog(since=4e9))).text == b""
    stamped = (await machines.log(id, ReadLog(timestamps=True, stdout=False))).text.decode()
    assert stamped[:2] == "20" and stamped.endswith(" two\n")


async def test_its_processes_are_told_by_the_numbers_that_they_have_inside(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell("sleep 1234 & while true; do sleep 1; done"))
    await eventually(lambda: machines.processes(id, ("PID", "CMD")), lambda found: len(found.rows) > 2)
    found = await machines.processes(id, ("UID", "PID", "PPID", "CMD"))
    assert found.rows[0][:3] == ("0", "1", "0")
    assert ("0", "sleep 1234") in [(row[0], row[3]) for row in found.rows]
    assert all(int(row[1]) < 1000 for row in found.rows), "no numbers of the host"


async def test_what_it_uses_is_measured(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell("while true; do :; done", memory_mib=96))
    stats = await machines.stats(id)
    assert stats.cpu_percent > 1
    assert 0 < stats.memory_bytes < stats.memory_most_bytes == 96 << 20


async def test_a_signal_reaches_its_program_and_one_that_kills_it_ends_it(machines: PodmanMachines) -> None:
    script = "trap 'echo heard' USR1; echo ready; while true; do sleep 0.1; done"
    id = await started(machines, running_shell(script, restart="always"))
    await log_has(machines, id, "ready")
    await machines.kill(id, "SIGUSR1")
    await log_has(machines, id, "heard")
    assert (await look(machines, id)).power == "running"
    await machines.kill(id, "SIGKILL")
    await power_becomes(machines, id, "stopped")


@pytest.mark.parametrize("runs", [True, False])
async def test_files_go_in_and_come_out(machines: PodmanMachines, runs: bool) -> None:
    spec = running_shell(SLEEP)
    await machines.create(spec)
    if runs:
        await machines.start(spec.id, spec.marks)
    await machines.copy_in(spec.id, "/tmp", tar_of(one__txt="Random text"))
    found = await machines.copy_out(spec.id, "/tmp/one.txt")
    assert (found.name, found.size) == ("one.txt", 11)
    with tarfile.open(fileobj=io.BytesIO(found.archive)) as tar:
        file = tar.extractfile("one.txt")
        assert file is not None and file.read() == b"Random text"
    folder = await machines.copy_out(spec.id, "/tmp")
    with tarfile.open(fileobj=io.BytesIO(folder.archive)) as tar:
        assert "tmp/one.txt" in tar.getnames() or "one.txt" in {name.rpartition("/")[2] for name in tar.getnames()}
    for wrong in (machines.copy_out(spec.id, "/no/such"), machines.copy_in(spec.id, "/no/such", tar_of(a="b"))):
        with pytest.raises(DriverError, match="There is no such"):
            await wrong
    with pytest.raises(DriverError, match="no plain tar"):
        await machines.copy_in(spec.id, "/tmp", b"x" * 2000)


async def test_no_archive_and_no_path_leads_out_of_the_container(machines: PodmanMachines, tmp_path: Path) -> None:
    id = await started(machines, running_shell(SLEEP))
    secret = tmp_path / "secret"
    secret.write_text("the host's")
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        for name in ("link/planted", "../../../../../../../../.." + str(tmp_path) + "/climbed", f"{tmp_path}/absolute"):
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
        device = tarfile.TarInfo("device")
        device.type, device.devmajor, device.devminor = tarfile.BLKTYPE, 7, 0
        tar.addfile(device)
    try:
        await machines.copy_in(id, "/tmp", written.getvalue())
    except DriverError as refusal:
        assert "cut short" in refusal.why
    assert sorted(path.name for path in tmp_path.iterdir()) == ["podman", "secret"]
    await machines.execute(id, ("sh", "-c", f"ln -s {secret} /tmp/way; ln -s /proc/1/root{secret} /tmp/round"))
    for path in (str(secret), f"/proc/1/root{secret}", f"/../../..{secret}"):
        with pytest.raises(DriverError):
            await machines.copy_out(id, path)
    for path in ("/tmp/way", "/tmp/round"):
        found = await machines.copy_out(id, path)
        assert b"the host's" not in found.archive
    assert b"device" not in (await machines.execute(id, ("ls", "/tmp"))).output


async def test_what_is_too_large_for_a_copy_is_told_so(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell(SLEEP))
    await machines.execute(id, ("sh", "-c", "dd if=/dev/zero of=/tmp/big bs=1M count=5"))
    with pytest.raises(DriverError, match=f"more than {ARCHIVE_MAX} bytes"):
        await machines.copy_out(id, "/tmp/big")
    await machines.execute(id, ("mkfifo", "/tmp/pipe"))
    assert (await machines.copy_out(id, "/etc")).name == "etc"


async def test_entrypoint_and_command_are_those_that_were_said(machines: PodmanMachines) -> None:
    spec = a_container(entrypoint=("/bin/sh", "-c"), command=("echo 'said: '$0; sleep 100",))
    await log_has(machines, await started(machines, spec), "said:")


async def test_a_failing_program_is_started_again_so_often_and_no_more(machines: PodmanMachines) -> None:
    watching = asyncio.create_task(_watch(machines))
    try:
        id = await started(machines, running_shell("echo run; exit 4", restart="on-failure", restarts_most=2))
        await log_has(machines, id, "run", 3)
        await power_becomes(machines, id, "crashed")
        assert (await look(machines, id)).exit_code == 4
        assert (await machines.console_log(id, 10_000)).count(b"run") == 3
    finally:
        watching.cancel()


async def test_its_limits_change_while_it_runs_and_stay_so(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell(SLEEP, cpus=0.5))
    first = inner_process(machines._directory, id)
    assert (await look(machines, id)).marks["shape"] == "1/64/0/cpus=0.5"
    await machines.adjust(id, 1, 96, 0.2)
    assert (await look(machines, id)).marks["shape"] == "1/96/0/cpus=0.2"
    assert inner_process(machines._directory, id) == first, "it was not stopped for that"
    assert _limits(machines, id) == (96 << 20, 20_000)
    await machines.stop(id, 0)
    await machines.adjust(id, 2, 80, 0.0)
    await machines.start(id, {"boot": "2"})
    assert _limits(machines, id) == (80 << 20, 200_000)


def _limits(machines: PodmanMachines, id: str) -> tuple[int, int]:
    """(bytes of memory, microseconds of CPU in each tenth of a second), as the kernel has them."""
    _, pid = inner_process(machines._directory, id)
    groups = dict(line.split(":")[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    if "memory" not in groups:
        folder = Path("/sys/fs/cgroup") / groups[""].lstrip("/")
        return int((folder / "memory.max").read_text()), int((folder / "cpu.max").read_text().split()[0])
    memory = Path("/sys/fs/cgroup/memory") / groups["memory"].lstrip("/") / "memory.limit_in_bytes"
    cpu = Path("/sys/fs/cgroup/cpu") / groups["cpu"].lstrip("/") / "cpu.cfs_quota_us"
    return int(memory.read_text()), int(cpu.read_text())


async def test_its_health_is_checked_inside(machines: PodmanMachines) -> None:
    watching = asyncio.create_task(_watch(machines))
    try:
        check = HealthCheck(command="test -e /tmp/well", every_s=1, within_s=5, failures=2)
        id = await started(machines, running_shell(SLEEP, health=check))
        assert (await look(machines, id)).marks["health"] == "starting"
        await eventually(lambda: look(machines, id), lambda seen: seen.marks["health"] == "unhealthy")
        await machines.execute(id, ("touch", "/tmp/well"))
        await eventually(lambda: look(machines, id), lambda seen: seen.marks["health"] == "healthy")
        await machines.stop(id, 0)
        assert "health" not in (await look(machines, id)).marks
    finally:
        watching.cancel()


async def test_whoever_attaches_talks_to_its_own_program(machines: PodmanMachines) -> None:
    script = "echo begun; while read line; do echo got $line; done"
    id = await started(machines, running_shell(script, stdin=True, tty=True))
    await log_has(machines, id, "begun")
    await machines.resize_terminal(id, None, 33, 77)
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_unix_connection(machines.session_path(id, None))
        writer.write(b"hello\n")
        assert b"got hello" in await reader.readuntil(b"got hello")
        writer.close()
    assert (await look(machines, id)).power == "running"
    assert b"got hello" in (await machines.log(id, ReadLog())).text


async def test_a_session_runs_a_command_on_a_terminal_for_the_first_who_comes(machines: PodmanMachines) -> None:
    id, session = await started(machines, running_shell(SLEEP)), "ab" * 32
    await machines.open_session(id, session, ("sh", "-c", "stty size; read line; echo told $line"))
    await machines.resize_terminal(id, session, 30, 90)
    path = machines.session_path(id, session)
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_unix_connection(path)
        await reader.readuntil(b"30 90")
        writer.write(b"me\n")
        await reader.readuntil(b"told me")
        writer.close()
    with pytest.raises(DriverError, match="no such session"):
        machines.session_path(id, "cd" * 32)

    async def still() -> bool:
        return Path(path).exists()

    assert not await eventually(still, lambda there: not there)


async def _watch(machines: PodmanMachines) -> None:
    async for _ in machines.watch():
        pass
