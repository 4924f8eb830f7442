"""What clients read: hints, consoles, quotas, hosts, and refusals that say which wish or which part is in the way."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.compute.test_compute_quotas import project_of

from trivet.api.network.service import SERVICE as NETWORK
from trivet.domain.host_link import order_building
from trivet.domain.servers import metadata as instance_metadata
from trivet.domain.servers.servers import SERVERS
from trivet.hosting.processor import cpu_info

__all__ = ["cloud"]


async def test_scheduler_hints_are_lists_whoever_said_one_word(cloud: Cloud) -> None:
    first = await cloud.made(networks="none")
    id = await cloud.made(networks="none", hints={"same_host": first, "different_host": []})
    assert (await cloud.show(id, version="2.100"))["scheduler_hints"] == {"same_host": [first], "different_host": []}


async def test_a_console_type_that_is_gone_is_refused_and_not_answered_with_another(cloud: Cloud) -> None:
    id = await cloud.made(networks="none")
    asked = {"remote_console": {"protocol": "vnc", "type": "xvpvnc"}}
    assert "xvpvnc" in (await cloud.call("POST", f"/servers/{id}/remote-consoles", asked)).refused(400)
    old = await cloud.act(id, "os-getVNCConsole", {"type": "xvpvnc"}, version="2.1")
    assert "xvpvnc" in old.refused(400)
    assert (await cloud.act(id, "os-getVNCConsole", {"type": "novnc"}, version="2.1")).ok()["console"][
        "type"
    ] == "novnc"


@pytest.mark.parametrize("path", ["", "/detail", "/defaults"])
async def test_quotas_of_a_project_that_is_none_are_refused(cloud: Cloud, path: str) -> None:
    admin = cloud.token("admin")
    message = (await cloud.call("GET", f"/os-quota-sets/{'0' * 32}{path}", token=admin)).refused(400)
    assert message == f"Project ID {'0' * 32} is not a valid project."
    known = await project_of(cloud)
    (await cloud.call("GET", f"/os-quota-sets/{known}/defaults", token=admin)).ok()


@pytest.mark.parametrize(
    ("name", "said"),
    [("instances", {"instances": 1}), ("cores", {"cores": 1}), ("ram", {"ram": 600})],
)
async def test_a_full_quota_is_named_as_people_know_it_with_its_numbers(
    cloud: Cloud, name: str, said: dict[str, Any]
) -> None:
    project = await project_of(cloud)
    changes = {"quota_set": said}
    (await cloud.call("PUT", f"/os-quota-sets/{project}", changes, token=cloud.token("admin"))).ok()
    token = cloud.token(project_id=project)
    await cloud.made(networks="none", token=token)
    message = (await cloud.create(networks="none", token=token)).refused(403)
    limit = next(iter(said.values()))
    assert message.startswith(f"Quota exceeded for {name}: Requested ")
    assert f"of {limit} {name}" in message


async def test_a_host_tells_its_hypervisor_and_its_processor(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        await tx.run("UPDATE hosts SET hypervisor_version = 7002022, cpu_info = ?", cpu_info())
    admin = cloud.token("admin")
    found = (await cloud.call("GET", "/os-hypervisors/detail", token=admin, version="2.80")).ok()["hypervisors"][0]
    assert found["hypervisor_version"] == 7002022
    assert found["cpu_info"]["topology"]["sockets"] >= 1
    old = (await cloud.call("GET", "/os-hypervisors/detail", token=admin, version="2.1")).ok()["hypervisors"][0]
    assert isinstance(old["cpu_info"], str)


def test_a_processor_is_read_from_what_the_kernel_tells(tmp_path: Path) -> None:
    one = "vendor_id\t: GenuineIntel\nmodel name\t: Xeon\nphysical id\t: 0\ncore id\t: {}\nflags\t: sse avx\n"
    told = tmp_path / "cpuinfo"
    told.write_text("\n".join(one.format(n // 2) for n in range(4)))
    assert cpu_info(told) == (
        '{"arch":"x86_64","vendor":"Intel","model":"Xeon",'
        '"topology":{"cells":1,"sockets":1,"cores":2,"threads":2},"features":["avx","sse"]}'
    )
    assert sys.platform == "linux"


@pytest.mark.parametrize(
    ("path", "word"), [("lbaas/loadbalancers", "load balancers"), ("trunks", "trunk"), ("qos/policies/x", "quality")]
)
def test_a_network_service_that_is_not_offered_says_so(path: str, word: str) -> None:
    assert word in NETWORK.absent(f"/network/v2.0/{path}")
    assert NETWORK.absent("/network/v2.0/trunksx") == "There is nothing at /network/v2.0/trunksx."


@pytest.mark.parametrize(("hostname", "version"), [("web.example.com", "2.94"), ("web", "2.90")])
async def test_a_hostname_reaches_the_guest_as_it_was_said(cloud: Cloud, hostname: str, version: str) -> None:
    """By all that tell it: the API, the metadata service and config drive (both halves), and the order to the host."""
    id = await cloud.made(hostname=hostname, version=version, networks="none")
    assert (await cloud.show(id))["OS-EXT-SRV-ATTR:hostname"] == hostname
    assert await told(cloud, id) == {hostname}
    renamed = f"new-{hostname}"
    (await cloud.call("PUT", f"/servers/{id}", {"server": {"hostname": renamed}}, version=version)).ok()
    assert await told(cloud, id) == {renamed}


async def told(cloud: Cloud, id: str) -> set[str]:
    async with cloud.store.read() as tx:
        files = await instance_metadata.files(tx, id, cloud.parts.secrets)
        server = await tx.need(SERVERS, id, "server")
        assert server.host_id is not None
        built = await order_building.build(tx, [server.host_id], [id])
    (order,) = built.orders
    openstack = msgspec.json.decode(files["openstack/latest/meta_data.json"])
    ec2 = msgspec.json.decode(files["ec2/latest/meta-data.json"])
    said = {ec2[name] for name in ("hostname", "local-hostname", "public-hostname")}
    return said | {openstack["hostname"], order.hostname}


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("My.Web_1 !", "my-web-1"),
        ("a..b", "a--b"),
        ("x" * 70, "x" * 63),
        ("-.-", "Server-ID"),
        ("日本", "Server-ID"),
    ],
)
async def test_a_name_becomes_a_hostname_as_novas_does(cloud: Cloud, name: str, hostname: str) -> None:
    id = await cloud.made(name=name, networks="none")
    assert (await cloud.show(id))["OS-EXT-SRV-ATTR:hostname"] == hostname.replace("ID", id)
