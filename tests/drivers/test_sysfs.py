"""What a machine is made of, read from what its kernel shows: a recorded machine of two sockets, and this one."""

import os
from pathlib import Path

import pytest
from tests.drivers.recorded_sysfs import two_sockets

from trivet.drivers.contracts import cpu_sets
from trivet.drivers.contracts.hardware import Hardware, HostNode, flaws
from trivet.drivers.hardware import sysfs
from trivet.errors import Invalid
from trivet.hosting import inside
from trivet.hosting.inside import Given


def test_nodes_cores_memory_and_huge_pages_of_two_sockets(tmp_path: Path) -> None:
    first, second = sysfs.nodes(two_sockets(tmp_path))
    assert (first.number, first.socket, first.cores, first.pages) == (0, 0, ((0, 1), (2, 3)), {})
    assert (second.number, second.socket, second.cores, second.pages) == (1, 1, ((4, 5), (6, 7)), {2048: 16})
    assert first.memory_mib == 255_856 // 1024
    assert second.memory_mib > 400
    assert Hardware((first, second)).huge_mib == {2048: 32}


def test_a_cpu_that_is_offline_is_not_there_and_its_core_is_smaller(tmp_path: Path) -> None:
    root = two_sockets(tmp_path)
    (root / "devices/system/cpu/online").write_text("0-4,6-7\n")
    assert [node.cores for node in sysfs.nodes(root)] == [((0, 1), (2, 3)), ((4,), (6, 7))]


def test_a_kernel_without_numa_is_one_node(tmp_path: Path) -> None:
    (tmp_path / "devices/system/cpu").mkdir(parents=True)
    (tmp_path / "devices/system/cpu/online").write_text("0-1\n")
    assert sysfs.nodes(tmp_path) == [HostNode(0, 0, ((0,), (1,)), 0)]


def test_this_machine_has_the_cpus_that_it_has() -> None:
    nodes = sysfs.nodes()
    assert sum(len(node.cpus) for node in nodes) == os.cpu_count()
    assert not list(flaws(Hardware(tuple(nodes))))


def test_who_gets_which_cpus_is_the_operators_word(tmp_path: Path) -> None:
    root = two_sockets(tmp_path)
    assert inside.found(Given(), root).shared == tuple(range(8))
    some = inside.found(Given("2-5,^4"), root)
    assert (some.dedicated, some.shared) == ((2, 3, 5), ())
    both = inside.found(Given("2-3", "6-7"), root, own_mib=100)
    assert (both.dedicated, both.shared, both.nodes[0].memory_mib) == ((2, 3), (6, 7), 255_856 // 1024 - 100)


@pytest.mark.parametrize(
    ("dedicated", "shared", "words"),
    [("7-9", "", "names CPU 8"), ("0-3", "3", "CPU 3 is in"), ("one", "", "must be like"), ("", "0-99999", "must be")],
)
def test_cpus_that_cannot_be_given_are_named(tmp_path: Path, dedicated: str, shared: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        inside.found(Given(dedicated, shared), two_sockets(tmp_path))


def test_functions_are_found_by_the_operators_rules_and_bridges_never(tmp_path: Path) -> None:
    root = two_sockets(tmp_path)
    (root / "bus/pci/devices/0000:00:03.0/iommu_group").mkdir()
    (root / "bus/pci/devices/0000:00:03.0/numa_node").write_text("1\n")
    (root / "bus/pci/devices/0000:00:03.0/sriov_totalvfs").write_text("8\n")
    found = inside.found(Given(devices="random=1af4:1005,rest=0000:00:*"), root).functions
    assert [(one.address, one.alias) for one in found] == [
        ("0000:00:01.1", "rest"), ("0000:00:02.0", "rest"), ("0000:00:03.0", "random"), ("0000:00:04.0", "rest"),
        ("0000:00:05.0", "rest"),
    ]  # fmt: skip
    (first,) = (one for one in found if one.isolated)
    assert (first.address, first.kind, first.node, first.vendor_id) == ("0000:00:03.0", "type-PF", 1, "1af4")


@pytest.mark.parametrize("text", ["gpu", "gpu=", "gpu=10de", "=10de:20b0", "g p=10de:20b0", "gpu=10DE:20B0", "a=b=c"])
def test_a_rule_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Invalid, match="pci_devices must be like"):
        inside.found(Given(devices=text), two_sockets(tmp_path))


@pytest.mark.parametrize("text", ["", "0", "0-3", "0-1,4-5,9", "7-9,11"])
def test_a_set_of_cpus_is_written_as_it_is_read(text: str) -> None:
    cpus = cpu_sets.parsed(text)
    assert cpus is not None
    assert cpu_sets.written(cpus) == text


@pytest.mark.parametrize("text", ["-1", "3-1", "a", "1-2-3", "1;2", "0-70000", "²", "٣"])
def test_what_is_no_set_of_cpus(text: str) -> None:
    assert cpu_sets.parsed(text) is None
