"""What a server is told about itself: as files, over HTTP, and on a CD that guests can read."""

import asyncio
import base64
import json
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trivet.agent.config_drive import config_drive
from trivet.agent.metadata import MetadataService, look_up
from trivet.domain.network.addresses import FixedIp
from trivet.domain.network.nets.subnets import Route, Subnet
from trivet.domain.network.ports.ports import Port
from trivet.domain.servers.metadata import EC2_VERSIONS, OPENSTACK_VERSIONS, build
from trivet.domain.servers.network_data import Interface
from trivet.domain.servers.servers import FlavorOf, Server
from trivet.errors import Busy

KEY = "ssh-ed25519 AAAA me@here"
SERVER = Server(
    id="12345678-1111-4222-8333-444444444444",
    project_id="p" * 32,
    user_id="u" * 32,
    name="Web 1",
    kind="vm",
    flavor=FlavorOf(id="1", name="m1.tiny", vcpus=1, ram_mib=512, disk_gib=1),
    hostname="web-1",
    created_at=0.0,
    updated_at=0.0,
    image_id="87654321-1111-4222-8333-444444444444",
    key_name="mine",
    key_public=KEY,
    user_data=base64.b64encode(b"#!/bin/sh\necho hi\n").decode(),
    files={"/etc/motd": base64.b64encode(b"welcome").decode()},
    metadata={"role": "web"},
    reservation_id="r-abcdefgh",
)


def subnet(id: str, cidr: str, **more: Any) -> Subnet:
    return Subnet(id=id, project_id="p", network_id="net", cidr=cidr, created_at=0.0, updated_at=0.0, **more)


V4 = subnet("v4", "10.0.0.0/24", gateway_ip="10.0.0.1", dns_nameservers=("9.9.9.9",))
STATIC = subnet(
    "static", "10.1.0.0/24", gateway_ip="10.1.0.1", enable_dhcp=False, dns_nameservers=("9.9.9.9", "1.1.1.1"),
    host_routes=(Route("10.9.0.0/16", "10.1.0.9"),),
)  # fmt: skip
V6 = subnet("v6", "fd00::/64", ip_version=6, gateway_ip="fd00::1", ipv6_address_mode="slaac", ipv6_ra_mode="slaac")
PORT = Port(
    id="aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
    project_id="p",
    network_id="net",
    mac_address="fa:16:3e:00:00:01",
    fixed_ips=(FixedIp("v4", "10.0.0.5"), FixedIp("static", "10.1.0.5"), FixedIp("v6", "fd00::5")),
    created_at=0.0,
    updated_at=0.0,
)
INTERFACE = Interface(PORT, 1442, {"v4": V4, "static": STATIC, "v6": V6}, ("172.24.4.7",))


def tree(**more: Any) -> dict[str, bytes]:
    return build(SERVER, [INTERFACE], seed=b"seed", **more)


def test_each_published_version_is_there_with_what_it_brought() -> None:
    found = tree()
    for version in OPENSTACK_VERSIONS:
        said = json.loads(found[f"openstack/{version}/meta_data.json"])
        assert (said["uuid"], said["hostname"], said["name"]) == (SERVER.id, "web-1", "Web 1")
        assert said["public_keys"] == {"mine": KEY}
        assert said["meta"] == {"role": "web"}
        assert said["files"] == [{"content_path": "/content/0000", "path": "/etc/motd"}]
        assert ("random_seed" in said) is (version >= "2013-04-04")
        assert ("project_id" in said) is (version >= "2015-10-15")
        assert ("devices" in said) is (version >= "2016-06-30")
        assert ("dedicated_cpus" in said) is (version >= "2020-10-14")
        assert (f"openstack/{version}/vendor_data.json" in found) is (version >= "2013-10-17")
        assert (f"openstack/{version}/network_data.json" in found) is (version >= "2015-10-15")
        assert (f"openstack/{version}/vendor_data2.json" in found) is (version >= "2016-10-06")
        assert found[f"openstack/{version}/user_data"] == b"#!/bin/sh\necho hi\n"
    assert found["openstack/content/0000"] == b"welcome"
    for version in EC2_VERSIONS:
        assert json.loads(found[f"ec2/{version}/meta-data.json"])["instance-id"] == "i-12345678"


def test_a_server_without_key_or_user_data_is_told_of_none() -> None:
    bare = msgspec.structs.replace(SERVER, key_name=None, key_public=None, user_data=None, metadata={}, files={})
    found = build(bare, [], seed=b"seed")
    said = json.loads(found["openstack/latest/meta_data.json"])
    assert not {"public_keys", "keys", "meta", "files"} & said.keys()
    assert not [path for path in found if "user" in path]
    assert look_up(found, "/latest/meta-data/public-keys/") is None


def test_the_password_is_on_the_drive_and_not_on_the_wire() -> None:
    assert b"s3cret" in tree(password="s3cret")["openstack/latest/meta_data.json"]
    assert not [path for path, text in tree().items() if b"s3cret" in text]


def test_network_data_has_links_networks_and_services_that_agree() -> None:
    said = json.loads(tree()["openstack/latest/network_data.json"])
    (link,) = said["links"]
    assert (link["vif_id"], link["ethernet_mac_address"], link["mtu"]) == (PORT.id, "fa:16:3e:00:00:01", 1442)
    dhcp, static, slaac = said["networks"]
    assert {network["link"] for network in said["networks"]} == {link["id"]}
    assert (dhcp["type"], static["type"], slaac["type"]) == ("ipv4_dhcp", "ipv4", "ipv6_slaac")
    assert (static["ip_address"], static["netmask"]) == ("10.1.0.5", "255.255.255.0")
    assert static["routes"] == [
        {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.1.0.1"},
        {"network": "10.9.0.0", "netmask": "255.255.0.0", "gateway": "10.1.0.9"},
    ]
    assert slaac["routes"] == [{"network": "::", "netmask": "::", "gateway": "fd00::1"}]
    assert [service["address"] for service in said["services"]] == ["9.9.9.9", "1.1.1.1"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", "\n".join([*EC2_VERSIONS[:-1], "latest", "openstack"])),
        ("/openstack", "\n".join(OPENSTACK_VERSIONS)),
        ("/openstack/2012-08-10/", "meta_data.json\nuser_data"),
        ("/openstack/latest/user_data", "#!/bin/sh\necho hi\n"),
        ("/openstack/content/0000", "welcome"),
        ("/openstack/latest/content/0000", "welcome"),
        ("/latest", "meta-data/\nuser-data"),
        ("/2009-04-04/user-data", "#!/bin/sh\necho hi\n"),
        ("/latest/meta-data/instance-id", "i-12345678"),
        ("/latest/meta-data/local-ipv4", "10.0.0.5"),
        ("/latest/meta-data/public-ipv4", "172.24.4.7"),
        ("/latest/meta-data/placement/", "availability-zone"),
        ("/latest/meta-data/placement/availability-zone", "nova"),
        ("/latest/meta-data/public-keys/", "0=mine"),
        ("/latest/meta-data/public-keys/0", "openssh-key"),
        ("/latest/meta-data/public-keys/0/openssh-key", KEY),
        ("/latest/meta-data/public-keys/0/_name", None),
        ("/latest/meta-data/absent", None),
        ("/latest/meta-data/instance-id/more", None),
        ("/openstack/latest/absent", None),
        ("/openstack/1999-01-01", None),
        ("/1999-01-01/meta-data", None),
        ("/openstack/../../etc/passwd", None),
    ],
)
def test_every_path_that_guests_ask_for_is_answered(path: str, found: str | None) -> None:
    text = look_up(tree(), path)
    assert (text.decode() if text is not None else None) == found


def test_folders_of_ec2_name_what_is_in_them() -> None:
    names = (look_up(tree(), "/latest/meta-data/") or b"").decode().splitlines()
    assert {"ami-id", "hostname", "instance-id", "placement/", "public-keys/", "block-device-mapping/"} <= set(names)


# -- the service


@asynccontextmanager
async def serving(lookup: Any, keep: Any = None) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    service = MetadataService(lookup, keep)
    door = await service.answer_on("net", listener)
    try:
        yield listener.getsockname()[1]
    finally:
        door.close()
        await service.close()


async def say(port: int, text: bytes, source: str = "127.0.0.1") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(text)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_who_asks_is_known_by_network_and_address_alone() -> None:
    asked = []

    async def lookup(network_id: str, source: str) -> dict[str, bytes]:
        asked.append((network_id, source))
        return tree()

    async with serving(lookup) as port:
        request = b"GET /latest/meta-data/hostname HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.9.9.9\r\n\r\n"
        head, _, body = (await say(port, request)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: 5" in head
    assert body == b"web-1"
    assert asked == [("net", "127.0.0.1")]


async def test_strangers_writers_and_a_database_that_is_away_are_told_so() -> None:
    answers: list[Any] = [None, Busy("store.away", "away")]

    async def lookup(network_id: str, source: str) -> dict[str, bytes] | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert answer is None
        return None

    async with serving(lookup) as port:
        assert b" 404 " in await say(port, b"GET / HTTP/1.0\r\n\r\n")
        assert b" 503 " in await say(port, b"GET / HTTP/1.0\r\n\r\n")
        assert b" 405 " in await say(port, b"DELETE / HTTP/1.0\r\n\r\n")


async def test_a_guest_that_hogs_the_service_hurts_only_itself() -> None:
    async def lookup(network_id: str, source: str) -> dict[str, bytes]:
        return tree()

    async with serving(lookup) as port:
        hanging = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        with suppress(ConnectionResetError):
            assert await say(port, b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000) == b""
        assert b"200 OK" in await say(port, b"GET /latest HTTP/1.1\r\n\r\n", "127.0.0.2")
        for _, writer in hanging:
            writer.close()
            await writer.wait_closed()


# -- the drive


def test_the_same_files_give_the_same_drive() -> None:
    assert config_drive(tree()) == config_drive(dict(reversed(tree().items())))


def test_the_drive_has_the_label_that_guests_look_for() -> None:
    image = config_drive(tree())
    assert len(image) % 2048 == 0
    assert image[0x8001:0x8006] == b"CD001"
    assert image[0x8000 + 40 : 0x8000 + 48] == b"config-2"


@pytest.mark.skipif(shutil.which("xorriso") is None, reason="needs xorriso, to read what we wrote with other eyes")
@pytest.mark.parametrize("names", ["nojoliet", "norock"])
def test_another_program_reads_both_kinds_of_names_as_we_meant_them(tmp_path: Path, names: str) -> None:
    # Enough names in one folder to fill more than one sector of it.
    wanted = tree() | {f"openstack/content/{number:04}": b"x" * number for number in range(1, 60)}
    drive = tmp_path / "drive.iso"
    drive.write_bytes(config_drive(wanted))
    command = ["xorriso", "-report_about", "FAILURE", "-read_fs", names, "-osirrox", "on", "-indev", str(drive)]
    subprocess.run([*command, "-extract", "/", str(tmp_path / "out")], check=True, capture_output=True)
    out = tmp_path / "out"
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert found == wanted


async def test_a_guest_posts_its_password_once() -> None:
    kept: list[str] = []

    async def keep(network_id: str, source: str, password: str) -> bool:
        if kept:
            return False
        kept.append(password)
        return True

    async with serving(None, keep) as port:
        said = b"POST /openstack/2013-10-17/password HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nsecret"
        assert (await say(port, said)).startswith(b"HTTP/1.1 200")
        assert (await say(port, said)).startswith(b"HTTP/1.1 409")
        elsewhere = said.replace(b"password", b"user_data")
        assert (await say(port, elsewhere)).startswith(b"HTTP/1.1 405")
        long = said.replace(b"Length: 6", b"Length: 99999")
        assert (await say(port, long)).startswith(b"HTTP/1.1 400")
    assert kept == ["secret"]
