"""HA-01's rules of groups when many members are placed at once: what each saw free may be taken when it claims."""

import asyncio

from tests.api.compute.server_cloud import Cloud, cloud

__all__ = ["cloud"]

MEMBERS = 24
HOSTS = 16
THERE_ALREADY = 3


async def placed(cloud: Cloud, policy: str) -> list[str]:
    """The hosts of those that found one."""
    async with cloud.store.write() as tx:
        for n in range(THERE_ALREADY, HOSTS):
            await cloud.add_host(tx, f"host{n}", vcpus=MEMBERS)
    body = {"server_group": {"name": "g", "policy": policy}}
    group = (await cloud.call("POST", "/os-server-groups", body)).ok()["server_group"]["id"]
    made = (cloud.create(hints={"group": group}, networks="none") for _ in range(MEMBERS))
    assert {answer.status for answer in await asyncio.gather(*made)} == {202}
    rows = await cloud.rows("SELECT host_id, fault FROM servers WHERE group_id = ?", group)
    assert len(rows) == MEMBERS
    assert all((host is None) == bool(fault) for host, fault in rows)
    return [host for host, _ in rows if host is not None]


async def test_members_that_must_be_apart_fill_every_host_once(cloud: Cloud) -> None:
    hosts = await placed(cloud, "anti-affinity")
    assert len(hosts) == len(set(hosts)) == HOSTS


async def test_members_that_must_be_together_are_on_one_host(cloud: Cloud) -> None:
    hosts = await placed(cloud, "affinity")
    assert hosts and len(set(hosts)) == 1
