"""What a flavor and an image ask of a host's inside, and which of them wins: a table of Nova's rules."""

from typing import Any

import pytest

from trivet.domain.servers.servers import FlavorOf
from trivet.domain.servers.topology import asks, guest_cpus
from trivet.domain.servers.topology.asks import Ask
from trivet.errors import Invalid


def flavor(**specs: str) -> FlavorOf:
    return FlavorOf(id="f", name="f", vcpus=4, ram_mib=1024, disk_gib=1, extra_specs=spelt(specs))


def spelt(specs: dict[str, str]) -> dict[str, str]:
    """`cpu_policy` is hw:cpu_policy; numa_cpus_0 is hw:numa_cpus.0; others stand as they are."""
    found = {}
    for word, text in specs.items():
        name = ".".join(word.rsplit("_", 1)) if word.startswith(("numa_cpus_", "numa_mem_")) else word
        found[name if ":" in name else f"hw:{name}"] = text
    return found


def image(**properties: str) -> dict[str, str]:
    return {name.replace("hw:", "hw_"): text for name, text in spelt(properties).items()}


def ask(of: FlavorOf, **properties: str) -> Ask:
    found = asks.read(of, image(**properties))
    assert found is not None
    return found


def cells(found: Ask) -> list[tuple[list[int], int, list[int]]]:
    return [(sorted(cell.cpus), cell.memory_mib, sorted(cell.pinned)) for cell in found.cells]


@pytest.mark.parametrize("specs", [{}, {"cpu_policy": "shared"}, {"mem_page_size": "small"}, {"mem_page_size": "any"}])
def test_what_is_so_anyhow_asks_for_nothing(specs: dict[str, str]) -> None:
    assert asks.read(flavor(**specs), {}) is None


def test_who_wants_cpus_of_his_own_has_one_node_and_all_of_them_pinned() -> None:
    found = ask(flavor(cpu_policy="dedicated"))
    assert cells(found) == [([0, 1, 2, 3], 1024, [0, 1, 2, 3])]
    assert (found.policy, found.threads, found.pages) == ("dedicated", "prefer", None)
    assert cells(ask(flavor(), cpu_policy="dedicated")) == cells(found)
    assert cells(ask(flavor(**{"resources:PCPU": "4"}))) == cells(found)


def test_nodes_are_even_unless_they_are_said() -> None:
    assert cells(ask(flavor(numa_nodes="2"))) == [([0, 1], 512, []), ([2, 3], 512, [])]
    said = {"numa_nodes": "2", "numa_cpus_0": "0,2-3", "numa_mem_0": "256", "numa_cpus_1": "1", "numa_mem_1": "768"}
    assert cells(ask(flavor(**said))) == [([0, 2, 3], 256, []), ([1], 768, [])]
    assert cells(ask(flavor(), **said)) == [([0, 2, 3], 256, []), ([1], 768, [])]


def test_a_mixed_one_pins_what_its_mask_names() -> None:
    assert cells(ask(flavor(cpu_policy="mixed", cpu_dedicated_mask="0-1"))) == [([0, 1, 2, 3], 1024, [0, 1])]
    assert cells(ask(flavor(cpu_policy="mixed", cpu_dedicated_mask="^0"))) == [([0, 1, 2, 3], 1024, [1, 2, 3])]
    found = ask(flavor(cpu_policy="mixed", cpu_dedicated_mask="^0", numa_nodes="2"))
    assert cells(found) == [([0, 1], 512, [1]), ([2, 3], 512, [2, 3])]


@pytest.mark.parametrize(
    ("text", "pages"),
    [("large", "large"), ("2048", 2048), ("2MB", 2048), ("1GB", 1 << 20), ("16Mb", 2048), ("2MiB", 2048), ("4", 4)],
)
def test_pages_are_said_in_many_ways(text: str, pages: Any) -> None:
    assert ask(flavor(mem_page_size=text, cpu_policy="dedicated")).pages == pages


def test_an_image_chooses_pages_where_the_flavor_leaves_a_choice() -> None:
    assert ask(flavor(mem_page_size="large"), mem_page_size="2048").pages == 2048
    assert ask(flavor(mem_page_size="any"), mem_page_size="large").pages == "large"


@pytest.mark.parametrize(
    ("specs", "properties", "threads"),
    [
        ({"cpu_thread_policy": "isolate"}, {}, "isolate"),
        ({"cpu_thread_policy": "prefer"}, {"cpu_thread_policy": "require"}, "require"),
        ({}, {"cpu_thread_policy": "isolate"}, "isolate"),
        ({"trait:HW_CPU_HYPERTHREADING": "forbidden"}, {}, "isolate"),
        ({"trait:HW_CPU_HYPERTHREADING": "required"}, {}, "require"),
    ],
)
def test_whose_word_about_threads_counts(specs: dict[str, str], properties: dict[str, str], threads: str) -> None:
    assert ask(flavor(cpu_policy="dedicated", **specs), **properties).threads == threads


@pytest.mark.parametrize(
    ("specs", "properties", "words"),
    [
        ({"cpu_policy": "shared"}, {"cpu_policy": "dedicated"}, "Image property 'hw_cpu_policy' is not permitted"),
        ({"cpu_policy": "mixed"}, {"cpu_policy": "dedicated"}, "Image property 'hw_cpu_policy' is not permitted"),
        ({"cpu_policy": "mixed"}, {}, "Dedicated CPU set can be specified from either"),
        ({"cpu_policy": "mixed", "cpu_dedicated_mask": "0-3"}, {}, "at least 1 pinned vCPU and 1 unpinned"),
        ({"cpu_policy": "mixed", "cpu_dedicated_mask": "3-4"}, {}, "not a subset of vCPUs"),
        ({"cpu_policy": "dedicated", "cpu_dedicated_mask": "0"}, {}, "without the 'mixed' policy"),
        ({"cpu_dedicated_mask": "0"}, {}, "without the 'mixed' policy"),
        ({}, {"cpu_policy": "nearly"}, "CPU policy requested from 'image properties' is invalid"),
        ({"cpu_thread_policy": "prefer"}, {}, "Cannot set cpu thread pinning policy in a non dedicated"),
        ({}, {"cpu_thread_policy": "isolate"}, "Cannot set cpu thread pinning policy in a non dedicated"),
        (
            {"cpu_policy": "dedicated", "cpu_thread_policy": "require"},
            {"cpu_thread_policy": "isolate"},
            "Image property 'hw_cpu_thread_policy' is not permitted",
        ),
        (
            {"cpu_policy": "dedicated", "trait:HW_CPU_HYPERTHREADING": "required"},
            {"cpu_thread_policy": "require"},
            "not possible to use the 'trait:HW_CPU_HYPERTHREADING'",
        ),
        ({"emulator_threads_policy": "isolate"}, {}, "isolated CPU emulator threads option requires a dedicated"),
        ({"cpu_realtime": "yes"}, {}, "Cannot set realtime policy in a non dedicated"),
        ({"cpu_policy": "dedicated", "resources:VCPU": "4"}, {}, "not possible to use the 'resources:VCPU'"),
        ({"resources:VCPU": "4", "resources:PCPU": "4"}, {}, "not possible to specify both"),
        ({"resources:PCPU": "3"}, {}, "mismatch between the number of PCPUs"),
        ({"resources:PCPU": "4", "emulator_threads_policy": "isolate"}, {}, "exactly flavor.vcpus \\+ 1 PCPUs"),
        ({"numa_nodes": "2"}, {"numa_nodes": "2"}, "Image property 'hw_numa_nodes' is not permitted"),
        ({"numa_nodes": "3"}, {}, "cannot be evenly distributed across instance NUMA nodes"),
        ({}, {"numa_nodes": "0"}, "must be a number greater than 0"),
        ({"numa_nodes": "2", "numa_cpus_0": "0-3"}, {}, "must be provided for all NUMA nodes"),
        ({"numa_cpus_0": "0-4", "numa_mem_0": "1024"}, {}, "CPU number 4 is larger than max 3"),
        ({"numa_cpus_0": "0-2", "numa_mem_0": "1024"}, {}, "CPU number 3 is not assigned to any node"),
        ({"numa_cpus_0": "0-3", "numa_mem_0": "1000"}, {}, "1000 MB of memory assigned, but expected 1024 MB"),
        (
            {"numa_nodes": "2", "numa_cpus_0": "0-3", "numa_mem_0": "512", "numa_cpus_1": "3", "numa_mem_1": "512"},
            {},
            "CPU number 3 is assigned to two nodes",
        ),
        (
            {"numa_cpus_0": "0-3", "numa_mem_0": "1024"},
            {"numa_cpus_0": "0-3", "numa_mem_0": "1024"},
            "Image property 'hw_numa_cpus' is not permitted",
        ),
        ({}, {"mem_page_size": "large"}, "Page size large forbidden against '<empty>'"),
        ({"mem_page_size": "2048"}, {"mem_page_size": "2048"}, "Page size 2048 forbidden against '2048'"),
        ({"mem_page_size": "any"}, {"mem_page_size": "huge"}, "Invalid memory page size 'huge'"),
        ({"mem_page_size": "0"}, {}, "Invalid memory page size '0'"),
    ],
)
def test_words_that_contradict_are_refused_as_nova_refuses_them(
    specs: dict[str, str], properties: dict[str, str], words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        asks.read(flavor(**specs), image(**properties))


HUGE = "9" * 17


@pytest.mark.parametrize("name", ["numa_nodes", "numa_cpus_0", "numa_mem_0", "mem_page_size", "cpu_max_threads"])
@pytest.mark.parametrize("text", [HUGE, f"0-{HUGE}", "²", "-1", "", "0" * 10_000, "^", "1,,", "٣"])
def test_a_tenants_word_is_refused_or_read_but_never_fails(name: str, text: str) -> None:
    properties = image(**{name: text})
    for read in (asks.read, guest_cpus.shape_of):
        try:
            read(flavor(mem_page_size="any"), properties)
        except Invalid as refusal:
            assert len(refusal.message) < 400
    asks.of(flavor(), properties)


@pytest.mark.parametrize(
    ("specs", "properties", "shape"),
    [
        ({}, {}, (4, 1, 1)),
        ({"cpu_sockets": "2"}, {}, (2, 2, 1)),
        ({"cpu_cores": "2", "cpu_threads": "2"}, {}, (1, 2, 2)),
        ({"cpu_max_sockets": "1"}, {}, (1, 4, 1)),
        ({"max_cpu_sockets": "2", "cpu_max_cores": "1"}, {}, (2, 1, 2)),
        ({"cpu_sockets": "4"}, {"cpu_threads": "2"}, (2, 1, 2)),
        ({"cpu_sockets": "4"}, {"cpu_max_sockets": "2"}, (2, 2, 1)),
        ({"cpu_sockets": "3"}, {}, None),
        ({"cpu_cores": "8"}, {}, None),
    ],
)
def test_how_a_machine_sees_its_cpus(specs: dict[str, str], properties: dict[str, str], shape: Any) -> None:
    assert guest_cpus.shape_of(flavor(**specs), image(**properties)) == shape


@pytest.mark.parametrize(
    ("specs", "properties", "words"),
    [
        ({"cpu_max_sockets": "2"}, {"cpu_max_sockets": "4"}, "exceeds the limits of the flavor"),
        ({"cpu_max_cores": "2"}, {"cpu_cores": "4"}, "exceeds the limits of the flavor or image"),
        ({"cpu_max_sockets": "1", "cpu_max_cores": "1", "cpu_max_threads": "1"}, {}, "impossible to satisfy"),
    ],
)
def test_limits_that_no_division_keeps_are_refused(
    specs: dict[str, str], properties: dict[str, str], words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        guest_cpus.shape_of(flavor(**specs), image(**properties))
