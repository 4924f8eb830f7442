"""What the podman driver says to podman for a given specification, and what it reads in image archives. No engine."""

import io
import json
import tarfile
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk, MachineSpec
from trivet.drivers.podman.archives import machine_architecture, read_archive
from trivet.drivers.podman.definition import create_arguments, files_tar, stop_arguments
from trivet.drivers.podman.restarts import wants_restart
from trivet.drivers.podman.shifting import shifted

SPEC = MachineSpec(
    id="5b0f",
    hostname="web-one",
    vcpus=2,
    memory_mib=256,
    disk=Disk(path="/images/web.tar", format="oci"),
    netns="tv-5b0f",
    command=("nginx", "-g", "daemon off;"),
    environment={"B": "2 words", "A": "1"},
)
DIGEST = "a" * 64


def arguments(spec: MachineSpec, *, folder: Path = Path("/d"), quota: bool = False) -> list[str]:
    return create_arguments(spec, "1234", folder, 1879113728, quota=quota)


def test_the_whole_of_a_create() -> None:
    assert arguments(SPEC, folder=Path("/data/machines/5b0f")) == [
        "create",
        "--quiet",
        "--pull=never",
        "--name=trivet-5b0f",
        "--hostname=web-one",
        "--network=ns:/run/netns/tv-5b0f",
        "--dns=none",
        "--no-hosts",
        "--memory=256m",
        "--memory-swap=256m",
        "--cpus=2",
        "--pids-limit=4096",
        "--uidmap=0:1879113728:65536",
        "--gidmap=0:1879113728:65536",
        "--cgroupns=private",
        "--security-opt=no-new-privileges",
        "--cap-drop=all",
        "--cap-add=CHOWN",
        "--cap-add=DAC_OVERRIDE",
        "--cap-add=FOWNER",
        "--cap-add=FSETID",
        "--cap-add=KILL",
        "--cap-add=NET_BIND_SERVICE",
        "--cap-add=NET_RAW",
        "--cap-add=SETGID",
        "--cap-add=SETUID",
        "--cap-add=SYS_CHROOT",
        "--image-volume=ignore",
        "--no-healthcheck",
        "--sdnotify=ignore",
        "--conmon-pidfile=/data/machines/5b0f/conmon.pid",
        "--log-driver=k8s-file",
        "--log-opt=path=/data/machines/5b0f/console.log",
        "--log-opt=max-size=1mb",
        "--env=A=1",
        "--env=B=2 words",
        "1234",
        "nginx",
        "-g",
        "daemon off;",
    ]


def test_a_flavor_may_let_it_configure_its_network() -> None:
    asked = msgspec.structs.replace(SPEC, properties={"trivet:net_admin": "true"})
    assert "--cap-add=NET_ADMIN" in arguments(asked)


@pytest.mark.parametrize(("quota", "size_gib", "bound"), [(True, 7, True), (True, 0, False), (False, 7, False)])
def test_the_disk_is_bounded_where_the_file_system_can(*, quota: bool, size_gib: int, bound: bool) -> None:
    assert SPEC.disk is not None
    disk = msgspec.structs.replace(SPEC.disk, size_gib=size_gib)
    words = arguments(msgspec.structs.replace(SPEC, disk=disk), quota=quota)
    assert ("--storage-opt=size=7G" in words) is bound


def test_a_command_that_looks_like_options_comes_after_the_image() -> None:
    words = arguments(msgspec.structs.replace(SPEC, command=("--privileged",)))
    assert words.index("--privileged") > words.index("1234")


@pytest.mark.parametrize("name", ["", "A=B", "A\0B"])
def test_an_environment_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(DriverError):
        arguments(msgspec.structs.replace(SPEC, environment={name: "x"}))


@pytest.mark.parametrize("path", ["relative", "/", "/a/../../b", "/a//b", "/a/", "//a"])
def test_a_file_that_could_land_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(DriverError):
        files_tar(msgspec.structs.replace(SPEC, files={path: b""}))


def test_files_carry_no_folders_and_scripts_may_be_run() -> None:
    spec = msgspec.structs.replace(SPEC, files={"/etc/hosts": b"mine", "/opt/run": b"#!/bin/sh\n"})
    with tarfile.open(fileobj=io.BytesIO(files_tar(spec))) as tar:
        assert {(entry.name, entry.mode, entry.isfile()) for entry in tar} == {
            ("etc/hosts", 0o644, True),
            ("opt/run", 0o755, True),
        }


@pytest.mark.parametrize(("grace_s", "said"), [(0, "0"), (0.2, "1"), (10, "10"), (-3, "0")])
def test_a_part_of_a_second_to_stop_is_a_whole_one(grace_s: float, said: str) -> None:
    assert f"--time={said}" in stop_arguments("5b0f", grace_s)


@pytest.mark.parametrize(
    ("restart", "exit_code", "again"),
    [
        ("no", 1, False),
        ("on-failure", 1, True),
        ("on-failure", 0, False),
        ("always", 0, True),
        ("always", 137, True),
    ],
)
def test_when_a_policy_starts_it_again(
    restart: Literal["no", "on-failure", "always"], exit_code: int, again: bool
) -> None:
    assert wants_restart(msgspec.structs.replace(SPEC, restart=restart), exit_code) is again


def an_archive(path: Path, documents: dict[str, object]) -> str:
    with tarfile.open(path, "w") as tar:
        for name, document in documents.items():
            content = json.dumps(document).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return str(path)


def manifest(config: object) -> dict[str, object]:
    return {"schemaVersion": 2, "config": {"digest": config}, "layers": []}


def at(digit: str, **more: object) -> dict[str, object]:
    return {"digest": f"sha256:{digit * 64}", **more}


def test_an_image_for_many_platforms_gives_the_one_for_this_machine(tmp_path: Path) -> None:
    here = {"os": "linux", "architecture": machine_architecture()}
    documents = {
        "./oci-layout": {},
        "./index.json": {"manifests": [at("1")]},
        f"./blobs/sha256/{'1' * 64}": {
            "manifests": [at("2", platform={"os": "plan9", "architecture": "mips"}), at("3", platform=here)]
        },
        f"./blobs/sha256/{'3' * 64}": manifest(f"sha256:{DIGEST}"),
    }
    archive = read_archive(an_archive(tmp_path / "image.tar", documents))
    assert (archive.transport, archive.image_id) == ("oci-archive", DIGEST)


def test_a_docker_archive_names_its_image_either_way(tmp_path: Path) -> None:
    for config in (f"{DIGEST}.json", f"blobs/sha256/{DIGEST}"):
        path = an_archive(tmp_path / "image.tar", {"manifest.json": [{"Config": config, "Layers": []}]})
        archive = read_archive(path)
        assert (archive.transport, archive.image_id) == ("docker-archive", DIGEST)


@pytest.mark.parametrize(
    "documents",
    [
        {"index.json": {"manifests": [at("1")]}},
        {"index.json": {"manifests": [at("1")]}, f"blobs/sha256/{'1' * 64}": {"manifests": [at("1")]}},
        {"index.json": {"manifests": [at("1", platform={"os": "plan9", "architecture": "mips"})]}},
        {"index.json": {"manifests": ["word"]}},
        {"index.json": {"manifests": 7}},
        {"index.json": {"manifests": [at("1", platform="word")]}},
        {"index.json": {"manifests": [{"digest": "sha256:../../etc/passwd"}]}},
        {"index.json": []},
        {"index.json": manifest(None)},
        {"manifest.json": []},
        {"manifest.json": [{}]},
        {"manifest.json": ["word"]},
        {"something": "else"},
    ],
)
def test_an_archive_that_makes_no_sense_is_refused_for_good(tmp_path: Path, documents: dict[str, object]) -> None:
    with pytest.raises(DriverError) as refusal:
        read_archive(an_archive(tmp_path / "image.tar", documents))
    assert not refusal.value.again
    assert str(tmp_path) not in refusal.value.why


def test_a_header_that_claims_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    """The class: a length that the archive says is never what we take at once."""
    head = tarfile.TarInfo("././@LongLink")
    head.type, head.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    path = tmp_path / "long.tar"
    with path.open("wb") as file:
        file.write(head.tobuf(tarfile.GNU_FORMAT))
        file.truncate(1 << 30)
    with pytest.raises(DriverError, match="too long") as refusal:
        read_archive(str(path))
    assert not refusal.value.again


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_snapshots_layer_is_passed_on_without_reading_what_it_claims(tmp_path: Path, kind: bytes) -> None:
    """What a container wrote decides what stands in its layer."""
    head = tarfile.TarInfo("long")
    head.type, head.size = kind, 1 << 30
    layer = head.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)
    with pytest.raises(tarfile.ReadError, match="too large"):
        shifted(io.BytesIO(layer), io.BytesIO(), 1 << 20)


def test_a_snapshots_layer_keeps_all_but_the_numbers(tmp_path: Path) -> None:
    layer, shifted_layer = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("n" * 300)
        entry.uid, entry.gid, entry.size, entry.mode = (1 << 20) + 5, 0, 2, 0o4755
        entry.pax_headers = {"SCHILY.xattr.user.a": "b" * 4096}
        tar.addfile(entry, io.BytesIO(b"hi"))
    layer.seek(0)
    shifted(layer, shifted_layer, 1 << 20)
    shifted_layer.seek(0)
    with tarfile.open(fileobj=shifted_layer, mode="r:gz") as tar:
        (found,) = tar
        assert (found.name, found.uid, found.gid, found.mode) == ("n" * 300, 5, 0, 0o4755)
        assert found.pax_headers["SCHILY.xattr.user.a"] == "b" * 4096


def test_an_archive_that_went_away_is_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(DriverError) as refusal:
        read_archive(str(tmp_path / "gone.tar"))
    assert refusal.value.again


@pytest.mark.parametrize(
    ("hostname", "kernel", "hosts"),
    [
        ("web", "web", "web"),
        ("web.example.com", "web.example.com", "web.example.com web"),
        (f"web.{'long.' * 20}org", "web." + "long." * 11 + "long", None),
        ("x" * 255, "x" * 64, None),
    ],
)
def test_a_long_hostname_is_cut_for_the_kernel_and_whole_in_the_hosts_file(
    hostname: str, kernel: str, hosts: str | None
) -> None:
    """A name that the kernel does not take would be a container that never starts."""
    spec = msgspec.structs.replace(SPEC, hostname=hostname)
    assert f"--hostname={kernel}" in arguments(spec)
    with tarfile.open(fileobj=io.BytesIO(files_tar(spec))) as tar:
        content = tar.extractfile("etc/hosts")
        assert content is not None
        line = content.read().decode().splitlines()[-1]
    names = line.removeprefix("127.0.1.1 ")
    assert names == hosts if hosts else set(names.split()) == {hostname, hostname.partition(".")[0], kernel}
