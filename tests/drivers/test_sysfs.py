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


@pytest.mark.parametrize("text", ["", "0", "0-3", "0-1,4-5,9", "7-9,11"])
def test_a_set_of_cpus_is_written_as_it_is_read(text: str) -> None:
    cpus = cpu_sets.parsed(text)
    assert cpus is not None
    assert cpu_sets.written(cpus) == text


@pytest.mark.parametrize("text", ["-1", "3-1", "a", "1-2-3", "1;2", "0-70000", "²", "٣"])
def test_what_is_no_set_of_cpus(text: str) -> None:
    assert cpu_sets.parsed(text) is None
