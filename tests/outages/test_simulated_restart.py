"""A cloud of simulated hosts whose process ends and begins again: what was plugged in is plugged in."""

import asyncio
from pathlib import Path
from typing import Any

from tests.policies.whole_cloud import WholeCloud, whole_cloud

PATIENCE_S = 60.0


async def _shown(cloud: WholeCloud, path: str) -> Any:
    answer = await cloud.call("GET", path, token=cloud.admin)
    assert answer.status == 200, answer.raw
    return next(iter(answer.body.values()))


async def _becomes(cloud: WholeCloud, path: str, status: str) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while (found := await _shown(cloud, path))["status"] != status:
            await asyncio.sleep(0.05)
    return found


async def test_ports_of_simulated_hosts_are_up_again_after_a_restart(tmp_path: Path) -> None:
    """Nobody reboots the servers: their machines went on, and so did their wires."""
    async with whole_cloud(tmp_path) as cloud:
        network = await cloud.made("/network/v2.0/networks", {"network": {}}, cloud.admin)
        subnet = {"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4}
        await cloud.made("/network/v2.0/subnets", {"subnet": subnet}, cloud.admin)
        about = {"name": "i", "disk_format": "raw", "container_format": "bare"}
        image = (await cloud.call("POST", "/image/v2/images", about, token=cloud.admin)).body["id"]
        octets = [(b"content-type", b"application/octet-stream")]
        await cloud.call("PUT", f"/image/v2/images/{image}/file", b"disk", token=cloud.admin, headers=octets)
        flavor = (await _shown(cloud, "/compute/v2.1/flavors"))[0]["id"]
        wanted = {"name": "s", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network["id"]}]}
        server = await cloud.made("/compute/v2.1/servers", {"server": wanted}, cloud.admin)
        await _becomes(cloud, f"/compute/v2.1/servers/{server['id']}", "ACTIVE")
        found = await _shown(cloud, "/network/v2.0/ports")
        (port,) = [port for port in found if port["device_id"] == server["id"]]
        path = f"/network/v2.0/ports/{port['id']}"
        await _becomes(cloud, path, "ACTIVE")

    async with whole_cloud(tmp_path) as cloud:
        # What the new engine said first, before it was told anything, and what it says in the end.
        await asyncio.sleep(3.0)
        await _becomes(cloud, path, "ACTIVE")
        await asyncio.sleep(1.0)
        assert (await _shown(cloud, path))["status"] == "ACTIVE"
