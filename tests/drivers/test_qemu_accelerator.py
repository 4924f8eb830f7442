"""KVM is believed when a guest of ours ran under it, and not because there is a /dev/kvm."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from trivet.drivers.qemu import accelerator as subject
from trivet.drivers.qemu.options import missing

pytestmark = [pytest.mark.dataplane, pytest.mark.skipif(bool(missing()), reason=f"missing: {missing()}")]
SOURCE = Path(subject.__file__).with_name("probe.S")


async def test_the_probe_guest_gets_through_where_guests_run() -> None:
    assert await subject.runs_guests("tcg", "max")


@pytest.mark.hardware
async def test_a_kvm_that_cannot_run_ordinary_guests_is_found_out() -> None:
    if not Path("/sys/module/kvm_pvm").exists() or not os.access("/dev/kvm", os.W_OK):
        pytest.skip("this host has no KVM of the kind that opens and runs nothing (kvm_pvm)")
    # qemu64 starts without complaint there, so it is the guest that tells.
    assert not await subject.runs_guests("kvm", "qemu64")
    assert not await subject.runs_guests("kvm", "host")


@pytest.mark.hardware
async def test_what_was_found_is_remembered_for_this_kernel_and_this_qemu(tmp_path: Path) -> None:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("no /dev/kvm here")
    found = await subject.accelerator(tmp_path)
    proof = tmp_path / "kvm.json"
    assert (found == "kvm") == (b'"kvm":true' in proof.read_bytes())
    # A lie about this kernel is believed, so nothing was run again; one about another kernel is not.
    turned = proof.read_bytes().replace(b":false", b":X").replace(b":true", b":false").replace(b":X", b":true")
    proof.write_bytes(turned)
    assert await subject.accelerator(tmp_path) != found
    proof.write_bytes(turned.replace(b'"kernel":"', b'"kernel":"another '))
    assert await subject.accelerator(tmp_path) == found


@pytest.mark.skipif(shutil.which("as") is None or shutil.which("ld") is None, reason="no assembler here")
def test_the_bytes_of_the_probe_are_those_of_its_source(tmp_path: Path) -> None:
    subprocess.run(("as", "--64", "-o", tmp_path / "probe.o", SOURCE), check=True)
    words = ("ld", "-m", "elf_x86_64", "-Ttext", "0x7c00", "--oformat", "binary", "-o", tmp_path / "probe")
    subprocess.run((*words, tmp_path / "probe.o"), check=True, capture_output=True)
    assert (tmp_path / "probe").read_bytes() == subject._BOOT_SECTOR
