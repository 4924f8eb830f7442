"""What needs the whole cloud with an agent that works: floating IPs by the old actions, and the shelf and back.

The class: acts of the compute API that end in another service's refusal (a floating IP, an image) are told in
compute's own words and status.
"""

import asyncio
from pathlib import Path
from typing import Any

from tests.policies.whole_cloud import WholeCloud, whole_cloud

COMPUTE, NETWORK = "/compute/v2.1", "/network/v2.0"


async def until(cloud: WholeCloud, id: str, *wanted: str) -> str:
    async with asyncio.timeout(60):
        while True:
            shown = (await cloud.call("GET", f"{COMPUTE}/servers/{id}", token=cloud.admin)).body["server"]
            if shown["status"] in wanted and shown["OS-EXT-STS:task_state"] is None:
                return str(shown["status"])
            await asyncio.sleep(0.05)


async def old_act(cloud: WholeCloud, id: str, body: Any) -> Any:
    """With a version that still has it."""
    return await cloud.call(
        "POST",
        f"{COMPUTE}/servers/{id}/action",
        body,
        token=cloud.admin,
        headers=[(b"openstack-api-version", b"compute 2.43")],
    )


async def server_on(cloud: WholeCloud, network_id: str) -> str:
    flavors = (await cloud.call("GET", f"{COMPUTE}/flavors", token=cloud.admin)).body["flavors"]
    images = (await cloud.call("GET", "/image/v2/images", token=cloud.admin)).body["images"]
    image = next(image["id"] for image in images if image["disk_format"] == "raw")
    wanted = {
        "name": "web",
        "imageRef": image,
        "flavorRef": flavors[0]["id"],
        "networks": [{"uuid": network_id}],
    }
    id = str((await cloud.made(f"{COMPUTE}/servers", {"server": wanted}, cloud.admin))["id"])
    assert await until(cloud, id, "ACTIVE", "ERROR") == "ACTIVE"
    return id


async def image_of(cloud: WholeCloud) -> None:
    wanted = {"name": "tiny", "disk_format": "raw", "container_format": "bare"}
    image = await cloud.made("/image/v2/images", wanted, cloud.admin)
    head = bytes(1 << 20)
    answer = await cloud.call(
        "PUT",
        f"/image/v2/images/{image['id']}/file",
        head,
        token=cloud.admin,
        headers=[(b"content-type", b"application/octet-stream")],
    )
    assert answer.status == 204, answer.raw


async def image_names(cloud: WholeCloud) -> list[str]:
    listed = await cloud.call("GET", "/image/v2/images", token=cloud.admin)
    return [image["name"] for image in listed.body["images"]]


async def inside(cloud: WholeCloud) -> str:
    """A network with a way out."""
    network = await cloud.made(f"{NETWORK}/networks", {"network": {"name": "in"}}, cloud.admin)
    subnet = {"network_id": network["id"], "cidr": "10.7.0.0/24", "ip_version": 4}
    subnet_id = (await cloud.made(f"{NETWORK}/subnets", {"subnet": subnet}, cloud.admin))["id"]
    out = await outside(cloud)
    router = {"router": {"external_gateway_info": {"network_id": out}}}
    router_id = (await cloud.made(f"{NETWORK}/routers", router, cloud.admin))["id"]
    path = f"{NETWORK}/routers/{router_id}/add_router_interface"
    assert (await cloud.call("PUT", path, {"subnet_id": subnet_id}, token=cloud.admin)).status == 200
    return str(network["id"])


async def outside(cloud: WholeCloud) -> str:
    listed = await cloud.call("GET", f"{NETWORK}/networks", token=cloud.admin, query=b"router:external=true")
    return str(listed.body["networks"][0]["id"])


async def test_a_fixed_address_takes_one_floating_ip_and_a_second_is_refused(tmp_path: Path) -> None:
    async with whole_cloud(tmp_path) as cloud:
        await image_of(cloud)
        id = await server_on(cloud, await inside(cloud))
        external = await outside(cloud)
        found = [
            await cloud.made(f"{NETWORK}/floatingips", {"floatingip": {"floating_network_id": external}}, cloud.admin)
            for _ in range(2)
        ]
        one, two = (floating["floating_ip_address"] for floating in found)
        assert (await old_act(cloud, id, {"addFloatingIp": {"address": one}})).status == 202
        refused = await old_act(cloud, id, {"addFloatingIp": {"address": two}})
        assert refused.status == 400, refused.raw
        assert two in refused.body["badRequest"]["message"]


async def test_a_server_goes_to_the_shelf_and_comes_back_from_its_image(tmp_path: Path) -> None:
    async with whole_cloud(tmp_path) as cloud:
        await image_of(cloud)
        network = await cloud.made(f"{NETWORK}/networks", {"network": {"name": "in"}}, cloud.admin)
        subnet = {"network_id": network["id"], "cidr": "10.8.0.0/24", "ip_version": 4}
        await cloud.made(f"{NETWORK}/subnets", {"subnet": subnet}, cloud.admin)
        id = await server_on(cloud, str(network["id"]))
        path = f"{COMPUTE}/servers/{id}/action"
        assert (await cloud.call("POST", path, {"shelve": None}, token=cloud.admin)).status == 202
        await until(cloud, id, "SHELVED_OFFLOADED")
        names = [
            image["name"] for image in (await cloud.call("GET", "/image/v2/images", token=cloud.admin)).body["images"]
        ]
        assert "web-shelved" in names
        assert (await cloud.call("POST", path, {"unshelve": None}, token=cloud.admin)).status == 202
        await until(cloud, id, "ACTIVE")
        names = [
            image["name"] for image in (await cloud.call("GET", "/image/v2/images", token=cloud.admin)).body["images"]
        ]
        assert "web-shelved" not in names
