"""PCI functions: what a flavor asks for, how near it has to be, and that none is given twice."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivet.domain.servers.servers import FlavorOf
from trivet.domain.servers.topology import asks
from trivet.domain.servers.topology.asks import Ask
from trivet.domain.servers.topology.devices import Affinity, DeviceAsk
from trivet.domain.servers.topology.fitting import Ground, Taken, fit
from trivet.domain.servers.topology.guest_nodes import GuestCell
from trivet.drivers.contracts.hardware import Function, Hardware, HostNode
from trivet.drivers.contracts.topology import Topology
from trivet.errors import Invalid

AFFINITIES: tuple[Affinity, ...] = ("required", "preferred", "legacy", "socket")


def function(number: int, alias: str, node: int | None, *, isolated: bool = True) -> Function:
    address = f"0000:81:00.{number}"
    return Function(address, "8086", "1521", alias, node=node, isolated=isolated)


def host(*functions: Function) -> Hardware:
    """Four nodes of two CPUs, two on each socket."""
    nodes = tuple(HostNode(n, n // 2, ((2 * n,), (2 * n + 1,)), 1024) for n in range(4))
    return Hardware(nodes, dedicated=tuple(range(8)), functions=functions)


def pinned(count: int, affinity: Affinity, *devices: DeviceAsk) -> Ask:
    cells = tuple(GuestCell(frozenset((n,)), 64, frozenset((n,))) for n in range(count))
    return Ask(cells, policy="dedicated", devices=devices, affinity=affinity)


@pytest.mark.parametrize(
    ("affinity", "nodes", "fits_on"),
    [
        ("required", [3], {3}),
        ("required", [None], None),
        ("legacy", [3], {3}),
        ("legacy", [None], {0}),
        ("socket", [3], {2}),
        ("preferred", [3], {3}),
        ("preferred", [None], {0}),
    ],
)
def test_how_near_a_device_is(affinity: Affinity, nodes: list[int | None], fits_on: set[int] | None) -> None:
    hardware = host(*(function(n, "nic", node) for n, node in enumerate(nodes)))
    fitted = fit(Ground(hardware, Taken()), pinned(1, affinity, DeviceAsk("nic", 1)))
    assert (fitted and {node.host_node for node in fitted.nodes}) == fits_on


def test_near_is_given_up_only_where_it_is_a_preference() -> None:
    hardware = host(function(0, "nic", 0))
    full = Taken(cpus={0, 1})
    for affinity in AFFINITIES:
        fitted = fit(Ground(hardware, full), pinned(1, affinity, DeviceAsk("nic", 1)))
        assert (fitted is not None) == (affinity in ("preferred", "socket"))


def test_a_machine_without_nodes_takes_a_device_wherever_it_is() -> None:
    ask = Ask((), devices=(DeviceAsk("nic", 2),))
    assert fit(Ground(host(function(0, "nic", 3)), Taken()), ask) is None
    fitted = fit(Ground(host(function(0, "nic", 3), function(1, "nic", None)), Taken()), ask)
    assert fitted is not None
    assert (fitted.functions, fitted.nodes) == (("0000:81:00.0", "0000:81:00.1"), ())


def test_what_no_iommu_keeps_apart_is_given_to_nobody() -> None:
    hardware = host(function(0, "nic", 0, isolated=False))
    assert fit(Ground(hardware, Taken()), Ask((), devices=(DeviceAsk("nic", 1),))) is None


DEVICES = st.lists(st.tuples(st.sampled_from(("a", "b")), st.sampled_from((0, 1, 2, 3, None))), max_size=8)
WISHES = st.tuples(
    st.integers(1, 3), st.sampled_from(AFFINITIES), st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 2)))
)


@settings(max_examples=300, deadline=None)
@given(DEVICES, st.lists(WISHES, max_size=5))
def test_no_device_is_given_twice_and_each_is_what_was_asked(
    functions: list[tuple[str, int | None]], wishes: list[tuple[int, Affinity, list[tuple[str, int]]]]
) -> None:
    hardware = host(*(function(n, alias, node) for n, (alias, node) in enumerate(functions)))
    by_address = {one.address: one for one in hardware.functions}
    taken = Taken()
    given_away: list[str] = []
    for count, affinity, devices in wishes:
        ask = pinned(count, affinity, *(DeviceAsk(*device) for device in devices))
        fitted = fit(Ground(hardware, taken), ask)
        if fitted is None:
            continue
        taken.add(Topology("a", 1, 1, 1, fitted.nodes, fitted.pins, fitted.reserved, functions=fitted.functions))
        given_away += fitted.functions
        aliases = [by_address[address].alias for address in fitted.functions]
        assert sorted(aliases) == sorted(alias for alias, many in devices for _ in range(many))
        if affinity == "required":
            on = {node.host_node for node in fitted.nodes}
            assert {by_address[address].node for address in fitted.functions} <= on
    assert len(given_away) == len(set(given_away))


def flavor(**specs: str) -> FlavorOf:
    named = {name.replace("__", ":"): text for name, text in specs.items()}
    return FlavorOf(id="f", name="f", vcpus=2, ram_mib=64, disk_gib=1, extra_specs=named)


def test_a_flavor_asks_by_the_names_of_the_operator() -> None:
    found = asks.read(flavor(pci_passthrough__alias="gpu:1, nic:2", hw__pci_numa_affinity_policy="required"), {})
    assert found is not None
    assert (found.devices, found.affinity) == ((DeviceAsk("gpu", 1), DeviceAsk("nic", 2)), "required")
    assert msgspec.structs.replace(found, devices=(), affinity="legacy") == Ask(())


@pytest.mark.parametrize(
    ("specs", "properties", "words"),
    [
        ({"pci_passthrough__alias": "gpu:17"}, {}, "Invalid PCI alias definition"),
        ({"pci_passthrough__alias": "gpu"}, {}, "Invalid PCI alias definition"),
        ({}, {"hw_pci_numa_affinity_policy": "near"}, "Invalid PCI NUMA affinity configured: near"),
        (
            {"hw__pci_numa_affinity_policy": "required"},
            {"hw_pci_numa_affinity_policy": "preferred"},
            "Image property 'hw_pci_numa_affinity_policy' is not permitted",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(specs: dict[str, str], properties: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        asks.read(flavor(**specs), properties)
