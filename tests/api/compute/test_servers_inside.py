"""Servers with CPUs, nodes and pages of their own, through the API: what is claimed, told to the host, and given back.

Each host is one of two nodes, four cores and two threads in each core: CPUs 0-3 and 4-7 of the first, 8-11 and 12-15
of the second; four of each node are for servers alone.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.api.compute.server_cloud import Cloud, cloud

from trivet.domain.host_link import order_building
from trivet.domain.hosts import hardware, hosts
from trivet.domain.servers.flavors import FLAVORS, Flavor
from trivet.domain.servers.orders import Order
from trivet.drivers.contracts.hardware import Function, Hardware, HostNode
from trivet.drivers.contracts.topology import Topology
from trivet.errors import Invalid
from trivet.store.tx import Tx

__all__ = ["cloud"]

CORES = tuple((cpu, cpu + 1) for cpu in range(0, 16, 2))
INSIDE = Hardware(
    nodes=tuple(
        HostNode(number, number, CORES[4 * number : 4 * number + 4], 4096, {2048: 512, 1 << 20: 1}) for number in (0, 1)
    ),
    dedicated=(2, 3, 4, 5, 10, 11, 12, 13),
    shared=(0, 1, 8, 9),
)
PINNED = {"hw:cpu_policy": "dedicated"}


async def add(cloud: Cloud, name: str = "inside", hardware: Hardware = INSIDE) -> str:
    async with cloud.store.write() as tx:
        return (await register(cloud, tx, name, hardware)).id


async def register(cloud: Cloud, tx: Tx, name: str, hardware: Hardware | None) -> hosts.Host:
    now = cloud.clock.now()
    host = hosts.Host(
        id=cloud.parts.ids.uuid(), name=name, kinds=("vm", "container"), vcpus=16, memory_mib=12288, disk_gib=1000,
        hypervisor_type="sim", created_at=now, updated_at=now, agent_seen_at=now,
    )  # fmt: skip
    return await hosts.register(tx, host, hardware=hardware)


@pytest.fixture
async def host(cloud: Cloud) -> AsyncIterator[str]:
    yield await add(cloud)


async def flavor(cloud: Cloud, vcpus: int = 2, ram_mib: int = 512, /, **specs: str) -> str:
    async with cloud.store.write() as tx:
        id = tx.ids.uuid()
        made = Flavor(
            id=id, name=id, vcpus=vcpus, ram_mib=ram_mib, disk_gib=1, created_at=0.0, extra_specs=specs
        )  # fmt: skip
        await tx.insert(FLAVORS, made)
    return id


async def order_of(cloud: Cloud, id: str) -> Order:
    async with cloud.store.read() as tx:
        (row,) = await tx.rows("SELECT host_id FROM servers WHERE id = ?", id)
        (order,) = (await order_building.build(tx, (str(row[0]),), (id,))).orders
    return order


async def inside_of(cloud: Cloud, id: str) -> Topology:
    topology = (await order_of(cloud, id)).topology
    assert topology is not None
    return topology


async def used(cloud: Cloud, host_id: str) -> dict[str, int]:
    rows = await cloud.rows("SELECT class, used FROM inventories WHERE provider_id = ? AND used > 0", host_id)
    return {str(name): int(amount) for name, amount in rows}


async def held(cloud: Cloud) -> list[Topology]:
    rows = await cloud.rows("SELECT topology FROM server_topologies")
    return [msgspec.json.decode(row[0], type=Topology) for row in rows]


async def why(cloud: Cloud, flavor_id: str, **said: Any) -> str:
    id = await cloud.made(networks="none", flavorRef=flavor_id, **said)
    shown = await cloud.show(id)
    assert shown["status"] == "ERROR"
    return str(shown["fault"]["message"])


async def test_a_host_sells_its_cpus_apart_and_its_huge_pages_besides(cloud: Cloud, host: str) -> None:
    rows = await cloud.rows("SELECT class, total, allocation_ratio FROM inventories WHERE provider_id = ?", host)
    assert {str(name): (int(total), float(ratio)) for name, total, ratio in rows} == {
        "VCPU": (4, 4.0),
        "PCPU": (8, 1.0),
        "MEMORY_MB": (12288 - 2 * 1024 - 2 * 1024, 1.0),
        "CUSTOM_MEMORY_MB_PAGES_2048KIB": (2048, 1.0),
        "CUSTOM_MEMORY_MB_PAGES_1048576KIB": (2048, 1.0),
        "DISK_GB": (1000, 1.0),
    }
    traits = {str(row[0]) for row in await cloud.rows("SELECT trait FROM provider_traits WHERE provider_id = ?", host)}
    assert {"HW_NUMA_ROOT", "HW_CPU_HYPERTHREADING"} <= traits
    async with cloud.store.write() as tx:
        await register(cloud, tx, "inside", None)
    rows = await cloud.rows("SELECT class FROM inventories WHERE provider_id = ? AND total > 0", host)
    assert {str(row[0]) for row in rows} == {"VCPU", "MEMORY_MB", "DISK_GB"}


async def test_a_pinned_server_has_cpus_for_itself_until_it_goes(cloud: Cloud, host: str) -> None:
    two = await flavor(cloud, **{"hw:cpu_policy": "dedicated"})
    ids = [await cloud.made(networks="none", flavorRef=two) for _ in range(4)]
    pins = [cpu for id in ids for cpu in (await inside_of(cloud, id)).pins.values()]
    assert sorted(pins) == [2, 3, 4, 5, 10, 11, 12, 13]
    assert await used(cloud, host) == {"PCPU": 8, "MEMORY_MB": 2048, "DISK_GB": 4}
    refusal = await why(cloud, two)
    assert refusal.startswith("No valid host was found.")
    assert "hw:cpu_policy=dedicated" in refusal
    (await cloud.call("DELETE", f"/servers/{ids[1]}")).ok()
    await cloud.settle()
    again = await cloud.made(networks="none", flavorRef=two)
    assert sorted((await inside_of(cloud, again)).pins.values()) == sorted(pins[2:4])


async def test_a_machine_of_two_nodes_lies_on_two_and_its_order_says_it_all(cloud: Cloud, host: str) -> None:
    wide = await flavor(cloud, 4, 2048, **PINNED, **{"hw:numa_nodes": "2", "hw:mem_page_size": "2048"})
    id = await cloud.made(networks="none", flavorRef=wide)
    inside = await inside_of(cloud, id)
    assert [(node.cpus, node.memory_mib, node.page_kib) for node in inside.nodes] == [
        ((0, 1), 1024, 2048), ((2, 3), 1024, 2048)
    ]  # fmt: skip
    assert {node.host_node for node in inside.nodes} == {0, 1}
    assert (inside.sockets * inside.cores * inside.threads, inside.threads) == (4, 2)
    assert await used(cloud, host) == {"PCPU": 4, "CUSTOM_MEMORY_MB_PAGES_2048KIB": 2048, "DISK_GB": 1}
    assert (await cloud.show(id))["status"] == "ACTIVE"
    refusal = await why(cloud, wide)
    assert "hw:mem_page_size=2048" in refusal


async def test_a_tenant_sees_his_nodes_and_an_operator_where_they_lie(cloud: Cloud, host: str) -> None:
    wide = await flavor(cloud, 4, 2048, **PINNED, **{"hw:numa_nodes": "2", "hw:mem_page_size": "2048"})
    id = await cloud.made(networks="none", flavorRef=wide)
    shown = (await cloud.call("GET", f"/servers/{id}/topology")).ok()
    assert shown == {
        "nodes": [
            {"vcpu_set": [0, 1], "siblings": [[0, 1]], "memory_mb": 1024},
            {"vcpu_set": [2, 3], "siblings": [[2, 3]], "memory_mb": 1024},
        ],
        "pagesize_kb": 2048,
    }
    whole = (await cloud.call("GET", f"/servers/{id}/topology", token=cloud.token("admin"))).ok()
    inside = await inside_of(cloud, id)
    assert [node["host_node"] for node in whole["nodes"]] == [node.host_node for node in inside.nodes]
    pins = {int(cpu): at for node in whole["nodes"] for cpu, at in node["cpu_pinning"].items()}
    assert pins == inside.pins
    plain = await cloud.made(networks="none")
    assert (await cloud.call("GET", f"/servers/{plain}/topology")).ok() == {"nodes": [], "pagesize_kb": None}


async def test_large_pages_are_the_largest_that_fit_and_any_may_be_small(cloud: Cloud, host: str) -> None:
    large = await flavor(cloud, 1, 1024, **{"hw:mem_page_size": "large"})
    sizes = [(await inside_of(cloud, await cloud.made(networks="none", flavorRef=large))).nodes[0].page_kib]
    sizes += [(await inside_of(cloud, await cloud.made(networks="none", flavorRef=large))).nodes[0].page_kib]
    sizes += [(await inside_of(cloud, await cloud.made(networks="none", flavorRef=large))).nodes[0].page_kib]
    assert sizes == [1 << 20, 1 << 20, 2048]
    any_size = await flavor(cloud, 1, 1536, **PINNED, **{"hw:mem_page_size": "any"})
    assert (await inside_of(cloud, await cloud.made(networks="none", flavorRef=any_size))).nodes[0].page_kib == 4
    assert await used(cloud, host) == {
        "VCPU": 3, "PCPU": 1, "MEMORY_MB": 1536, "DISK_GB": 4, "CUSTOM_MEMORY_MB_PAGES_2048KIB": 1024,
        "CUSTOM_MEMORY_MB_PAGES_1048576KIB": 2048,
    }  # fmt: skip


async def test_an_isolated_one_pays_for_the_threads_that_stay_idle(cloud: Cloud, host: str) -> None:
    alone = await flavor(cloud, 1, **PINNED, **{"hw:cpu_thread_policy": "isolate"})
    id = await cloud.made(networks="none", flavorRef=alone)
    inside = await inside_of(cloud, id)
    assert (len(inside.pins), len(inside.reserved)) == (1, 1)
    assert (await used(cloud, host))["PCPU"] == 2
    engine = await flavor(cloud, 1, **PINNED, **{"hw:emulator_threads_policy": "isolate"})
    other = await inside_of(cloud, await cloud.made(networks="none", flavorRef=engine))
    assert other.emulator == other.reserved
    assert (await used(cloud, host))["PCPU"] == 4


async def test_a_mixed_one_pins_some_and_shares_the_rest(cloud: Cloud, host: str) -> None:
    mixed = await flavor(cloud, 3, **{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "^0"})
    inside = await inside_of(cloud, await cloud.made(networks="none", flavorRef=mixed))
    assert sorted(inside.pins) == [1, 2]
    assert inside.nodes[0].floats in {(0, 1), (8, 9)}
    assert await used(cloud, host) == {"VCPU": 1, "PCPU": 2, "MEMORY_MB": 512, "DISK_GB": 1}


async def test_a_resize_holds_both_and_ends_with_one(cloud: Cloud, host: str) -> None:
    two, three = await flavor(cloud, 2, **PINNED), await flavor(cloud, 3, **PINNED)
    id = await cloud.made(networks="none", flavorRef=two)
    before = await inside_of(cloud, id)
    (await cloud.act(id, "resize", {"flavorRef": three})).ok()
    await cloud.settle()
    assert (await cloud.show(id))["status"] == "VERIFY_RESIZE"
    between = await inside_of(cloud, id)
    assert not set(between.pins.values()) & set(before.pins.values())
    assert (await used(cloud, host))["PCPU"] == 5
    (await cloud.act(id, "revertResize")).ok()
    await cloud.settle()
    assert await inside_of(cloud, id) == before
    assert (await used(cloud, host))["PCPU"] == 2
    (await cloud.act(id, "resize", {"flavorRef": three})).ok()
    await cloud.settle()
    (await cloud.act(id, "confirmResize")).ok()
    await cloud.settle()
    assert (await used(cloud, host))["PCPU"] == 3
    assert [len(topology.pins) for topology in await held(cloud)] == [3]
    plain = await flavor(cloud, 2)
    (await cloud.act(id, "resize", {"flavorRef": plain})).ok()
    await cloud.settle()
    (await cloud.act(id, "confirmResize")).ok()
    await cloud.settle()
    assert await held(cloud) == []
    assert await used(cloud, host) == {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 1}
    assert (await order_of(cloud, id)).topology is None


async def test_a_resize_that_the_host_cannot_bear_names_the_wish(cloud: Cloud, host: str) -> None:
    id = await cloud.made(networks="none", flavorRef=await flavor(cloud, 4, **PINNED))
    five = await flavor(cloud, 5, **PINNED)
    assert "hw:cpu_policy=dedicated" in (await cloud.act(id, "resize", {"flavorRef": five})).refused(409)
    assert (await used(cloud, host))["PCPU"] == 4
    assert len(await held(cloud)) == 1


async def test_off_the_shelf_it_has_parts_of_its_own_again(cloud: Cloud, host: str) -> None:
    id = await cloud.made(networks="none", flavorRef=await flavor(cloud, 2, **PINNED))
    (await cloud.act(id, "shelve")).ok()
    await cloud.settle()
    await cloud.settle()
    assert (await held(cloud), await used(cloud, host)) == ([], {})
    (await cloud.act(id, "unshelve")).ok()
    await cloud.settle()
    assert (await cloud.show(id))["status"] == "ACTIVE"
    assert len((await inside_of(cloud, id)).pins) == 2


async def test_evacuated_it_has_parts_of_the_other_host(cloud: Cloud, host: str) -> None:
    id = await cloud.made(networks="none", flavorRef=await flavor(cloud, 2, **PINNED))
    other = await add(cloud, "other")
    async with cloud.store.write() as tx:
        await hosts.force_down(tx, await tx.need(hosts.HOSTS, host, "host"), down=True)
    (await cloud.act(id, "evacuate", {}, token=cloud.token("admin"))).ok()
    await cloud.settle()
    assert (await used(cloud, host), (await used(cloud, other))["PCPU"]) == ({}, 2)
    assert len((await inside_of(cloud, id)).pins) == 2
    assert len(await held(cloud)) == 1


async def test_a_rebuild_keeps_the_parts_and_takes_no_image_that_wants_others(cloud: Cloud, host: str) -> None:
    id = await cloud.made(networks="none", flavorRef=await flavor(cloud, 2, **PINNED))
    before = await inside_of(cloud, id)
    async with cloud.store.write() as tx:
        apart = await cloud.add_image(tx, "two", "qcow2", "bare", properties={"hw_numa_nodes": "2"})
    refusal = (await cloud.act(id, "rebuild", {"imageRef": apart})).refused(400)
    assert "NUMA topology cannot be changed as part of a rebuild" in refusal
    (await cloud.act(id, "rebuild", {"imageRef": cloud.vm_image})).ok()
    await cloud.settle()
    assert await inside_of(cloud, id) == before


async def test_containers_have_cpus_and_nodes_too_but_no_pages_of_their_own(cloud: Cloud, host: str) -> None:
    said = {"imageRef": cloud.container_image}
    id = await cloud.made(networks="none", flavorRef=await flavor(cloud, 2, **PINNED), **said)
    inside = await inside_of(cloud, id)
    assert (len(inside.host_cpus), len(inside.host_nodes)) == (2, 1)
    for specs in (
        {"hw:mem_page_size": "large"},
        {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0"},
        PINNED | {"hw:emulator_threads_policy": "isolate"},
        {"hw:cpu_threads": "2"},
    ):
        refusal = await why(cloud, await flavor(cloud, 2, **specs), **said)
        assert next(iter(reversed(specs))) in refusal or next(iter(specs)) in refusal


async def test_servers_that_wish_for_nothing_go_on_as_ever(cloud: Cloud, host: str) -> None:
    for specs in ({}, {"hw:cpu_policy": "shared"}, {"hw:mem_page_size": "any"}):
        id = await cloud.made(networks="none", flavorRef=await flavor(cloud, 2, **specs))
        assert (await order_of(cloud, id)).topology is None
    divided = await cloud.made(networks="none", flavorRef=await flavor(cloud, 2, **{"hw:cpu_cores": "2"}))
    inside = await inside_of(cloud, divided)
    assert (inside.sockets, inside.cores, inside.threads, inside.nodes) == (1, 2, 1, ())
    assert (await cloud.show(divided))["status"] == "ACTIVE"
    assert await held(cloud) == []


async def test_devices_are_claimed_with_the_server_and_go_back_with_it(cloud: Cloud) -> None:
    functions = tuple(
        Function(f"0000:81:00.{number}", "8086", "1521", "fast-nic", node=number % 2, isolated=number < 3)
        for number in range(4)
    )
    host_id = await add(cloud, hardware=msgspec.structs.replace(INSIDE, functions=functions))
    two = await flavor(cloud, 2, **{"pci_passthrough:alias": "fast-nic:2"})
    one = await flavor(cloud, 2, **PINNED, **{"pci_passthrough:alias": "fast-nic:1"})
    first = await cloud.made(networks="none", flavorRef=two)
    assert len((await inside_of(cloud, first)).functions) == 2
    near = await cloud.made(networks="none", flavorRef=one)
    inside = await inside_of(cloud, near)
    (address,) = inside.functions
    assert inside.nodes[0].host_node == next(one.node for one in functions if one.address == address)
    assert (await used(cloud, host_id))["CUSTOM_PCI_FAST_NIC"] == 3
    assert "pci_passthrough:alias=fast-nic:1" in await why(cloud, one)
    (await cloud.call("DELETE", f"/servers/{first}")).ok()
    await cloud.settle()
    again = await inside_of(cloud, await cloud.made(networks="none", flavorRef=one))
    assert again.functions != inside.functions
    refusal = await why(cloud, one, imageRef=cloud.container_image)
    assert "pci_passthrough:alias" in refusal


async def test_a_zone_that_has_no_such_host_is_said(cloud: Cloud, host: str) -> None:
    async with cloud.store.write() as tx:
        await cloud.add_host(tx, "far", vcpus=4, zone="far")
    refusal = await why(cloud, await flavor(cloud, 2, **PINNED), availability_zone="far")
    assert "hw:cpu_policy=dedicated" in refusal
    assert "zone" in refusal


async def test_a_host_that_others_fill_is_passed_over(cloud: Cloud, host: str) -> None:
    other = await add(cloud, "other")
    two = await flavor(cloud, 2, **PINNED)
    for _ in range(8):
        await cloud.made(networks="none", flavorRef=two)
    assert [(await used(cloud, id))["PCPU"] for id in (host, other)] == [8, 8]


async def test_a_hosts_word_about_its_inside_that_cannot_be_is_refused(cloud: Cloud) -> None:
    for wrong in (
        msgspec.structs.replace(INSIDE, shared=(2,)),
        msgspec.structs.replace(INSIDE, dedicated=(99,)),
        msgspec.structs.replace(INSIDE, nodes=(INSIDE.nodes[0], INSIDE.nodes[0])),
    ):
        with pytest.raises(Invalid):
            hardware.check(wrong)
    assert hardware.sold(INSIDE, vcpus=9, memory_mib=3000) == {
        "PCPU": 8, "VCPU": 1, "CUSTOM_MEMORY_MB_PAGES_2048KIB": 1024 * 2, "CUSTOM_MEMORY_MB_PAGES_1048576KIB": 952,
        "MEMORY_MB": 0,
    }  # fmt: skip
