"""QEMU's command line, word by word, against golden files: every change of it is one that somebody read.

TRIVET_WRITE_GOLDEN=1 writes them anew.
"""

import os
from pathlib import Path

import msgspec
import pytest

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.hardware import SMALL_KIB
from trivet.drivers.contracts.machine import Disk, MachineSpec, Nic
from trivet.drivers.contracts.topology import GuestNode, Topology
from trivet.drivers.qemu import passthrough
from trivet.drivers.qemu.arguments import Ground, arguments, slots_for
from trivet.drivers.qemu.layout import Layout, Record, Saved

ID = "6f1d1bd8-6d2a-4a0c-9d3e-0f6f0a3f5a11"
FOLDER = Path("/var/lib/trivet/vms") / ID
GOLDEN = Path(__file__).parent / "golden"
KVM, TCG = Ground("kvm", True), Ground("tcg", False)


def spec(*nics: Nic, config_drive: bytes | None = None, **properties: str) -> MachineSpec:
    return MachineSpec(
        id=ID,
        hostname="web",
        vcpus=2,
        memory_mib=512,
        disk=Disk("/images/web", "qcow2", 4),
        nics=nics,
        config_drive=config_drive,
        properties=properties,
    )


def nic(number: int) -> Nic:
    return Nic(port_id=f"port-{number}", mac=f"fa:16:3e:00:00:0{number}", device=f"tap{number}", mtu=1442)


CASES: dict[str, tuple[MachineSpec, Ground]] = {
    "plain-kvm": (spec(nic(1)), KVM),
    "plain-tcg-user-space-switch": (spec(nic(1), nic(2), config_drive=b""), TCG),
    "q35-config-drive": (spec(nic(1), config_drive=b"", hw_machine_type="q35"), KVM),
    "uefi-scsi-disk": (spec(hw_firmware_type="uefi", hw_disk_bus="scsi", hw_machine_type="q35"), KVM),
    "e1000": (spec(nic(1), hw_vif_model="e1000"), TCG),
}


@pytest.mark.parametrize("name", CASES)
def test_the_command_line_is_the_golden_one(name: str) -> None:
    wanted, ground = CASES[name]
    words = arguments(Record(wanted, slots_for(wanted, {})), Layout(FOLDER, FOLDER), ground)
    text = "".join(f" {word}\n" if not word.startswith("-") else f"{word}\n" for word in words)
    path = GOLDEN / f"qemu-{name}.txt"
    if os.environ.get("TRIVET_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def inside(**changes: object) -> MachineSpec:
    nodes = (GuestNode((0, 1), 384, 1, 2048), GuestNode((2, 3), 128, 0, SMALL_KIB))
    topology = Topology("t", 1, 2, 2, nodes, {0: 8, 1: 9}, functions=("0000:81:00.1",))
    return msgspec.structs.replace(spec(nic(1)), vcpus=4, topology=msgspec.structs.replace(topology, **changes))


@pytest.mark.parametrize(("ground", "processor"), [(KVM, "host,topoext=on"), (TCG, "max,vendor=GenuineIntel")])
def test_nodes_threads_pages_and_functions_are_told_to_qemu(ground: Ground, processor: str) -> None:
    wanted = inside()
    words = arguments(Record(wanted, slots_for(wanted, {})), Layout(FOLDER, FOLDER), ground)
    assert words[words.index("-smp") + 1] == "cpus=4,sockets=1,cores=2,threads=2"
    assert words[words.index("-cpu") + 1] == processor
    assert [word for word in words if word.startswith(("memory-backend", "node,"))] == [
        "memory-backend-memfd,id=node0,size=384M,host-nodes=1,policy=bind,hugetlb=on,hugetlbsize=2048K,prealloc=on",
        "node,nodeid=0,cpus=0-1,memdev=node0",
        "memory-backend-ram,id=node1,size=128M,host-nodes=0,policy=bind",
        "node,nodeid=1,cpus=2-3,memdev=node1",
    ]
    assert '{"driver":"vfio-pci","id":"pci1","host":"0000:81:00.1","bus":"pci.0","addr":"0x9"}' in words


def test_a_function_is_handed_through_only_if_the_host_can_and_has_let_go_of_it(tmp_path: Path) -> None:
    wanted, folder = inside(), tmp_path / "0000:81:00.1"
    with pytest.raises(DriverError, match="it is not there any more"):
        passthrough.check(wanted, tmp_path)
    folder.mkdir()
    with pytest.raises(DriverError, match="the host has no IOMMU"):
        passthrough.check(wanted, tmp_path)
    (folder / "iommu_group").mkdir()
    for driver in ("igb", "vfio-pci"):
        (tmp_path / driver).mkdir()
    (folder / "driver").symlink_to(tmp_path / "igb")
    with pytest.raises(DriverError, match="its driver is igb") as refusal:
        passthrough.check(wanted, tmp_path)
    assert not refusal.value.again
    (folder / "driver").unlink()
    (folder / "driver").symlink_to(tmp_path / "vfio-pci")
    passthrough.check(wanted, tmp_path)


def test_a_suspended_guest_comes_back_to_the_machine_it_was() -> None:
    record = Record(spec(), {})
    words = arguments(record, Layout(FOLDER, FOLDER), TCG, Saved("pc-i440fx-7.2", "kvm"))
    assert "pc-i440fx-7.2,usb=off,vmport=off" in words
    assert words[words.index("-accel") + 1] == "kvm"


def test_a_comma_in_the_directory_does_not_end_a_value() -> None:
    folder = Path("/srv/a,readonly=off") / ID
    words = arguments(Record(spec(), {}), Layout(folder, folder), TCG)
    assert any(f"path=/srv/a,,readonly=off/{ID}/serial," in word for word in words)


def test_a_card_keeps_its_slot_and_a_new_one_takes_the_first_that_is_free() -> None:
    before = slots_for(spec(nic(1), nic(2), nic(3)), {})
    assert before == {"port-1": 0, "port-2": 1, "port-3": 2}
    after = slots_for(spec(nic(2), nic(3), nic(4)), {"port-2": 1, "port-3": 2})
    assert after == {"port-2": 1, "port-3": 2, "port-4": 0}


@pytest.mark.parametrize("machine", ["microvm", "pc,accel=kvm", "q35 -x", ""])
def test_a_machine_type_from_an_image_is_one_of_those_we_know(machine: str) -> None:
    with pytest.raises(DriverError, match="No machine type") as refused:
        arguments(Record(spec(hw_machine_type=machine), {}), Layout(FOLDER, FOLDER), TCG)
    assert not refused.value.again
