"""Wishes beside a server's size: each is honoured, or ends in a refusal that names it.

The class: every extra spec that the dialect knows by name, every image property that upstream reads, every scheduler
hint, ports that want special hardware. A word that is accepted and does nothing would be a lie. The lists below are
whole; a spec that is added to the known ones must find its place here.
"""

from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud

from trivet.domain.servers import extra_specs
from trivet.domain.servers.flavors import FLAVORS, Flavor

__all__ = ["cloud"]

SPECS: dict[str, tuple[list[str], list[str]]] = {
    # name: (values that are so on every host, values that none offers)
    "accel:device_profile": ([], ["fpga"]),
    "group_policy": (["isolate", "none"], []),
    "hide_hypervisor_id": (["false"], ["true"]),
    "hw:hide_hypervisor_id": (["no"], ["yes"]),
    "hw:cpu_realtime": (["0"], []),
    "hw:locked_memory": (["false"], ["true"]),
    "hw:boot_menu": (["false"], ["true"]),
    "hw:vif_multiqueue_enabled": (["false"], ["true"]),
    "hw:mem_encryption": (["false"], ["true"]),
    "hw:pmu": ([], ["false", "true"]),
    "hw:virtio_packed_ring": (["false"], ["true"]),
    "hw:ephemeral_encryption": (["false"], ["true"]),
    "hw_rng:allowed": (["true"], ["false"]),
    "hw:cpu_realtime_mask": ([], ["^0-1"]),
    "hw:cpu_dedicated_mask": ([], ["0,1"]),
    "hw:numa_cpus.0": ([], ["0"]),
    "hw:cpu_policy": (["shared"], ["dedicated", "mixed"]),
    "hw:cpu_thread_policy": ([], ["prefer"]),
    "hw:emulator_threads_policy": (["share"], ["isolate"]),
    "hw:mem_page_size": (["small", "any"], ["large", "2MB", "1048576"]),
    "hw:numa_nodes": ([], ["1"]),
    "hw:numa_mem.0": ([], ["512"]),
    "hw:cpu_sockets": (["1"], ["2"]),
    "hw:cpu_cores": (["1"], ["2"]),
    "hw:cpu_threads": (["1"], ["2"]),
    "hw:cpu_max_sockets": (["1", "8"], []),
    "hw:cpu_max_cores": (["1"], []),
    "hw:cpu_max_threads": (["1"], []),
    "hw:max_cpu_sockets": (["1"], []),
    "hw:max_cpu_cores": (["1"], []),
    "hw:max_cpu_threads": (["1"], []),
    "hw:pci_numa_affinity_policy": (["preferred"], []),
    "hw:mem_encryption_model": ([], ["amd-sev"]),
    "hw:pmem": ([], ["6GB"]),
    "hw:serial_port_count": (["1"], ["0", "2"]),
    "hw_rng:rate_bytes": ([], ["100"]),
    "hw_rng:rate_period": ([], ["100"]),
    "hw_video:ram_max_mb": (["64"], []),
    "hw:tpm_model": ([], ["tpm-tis"]),
    "hw:tpm_version": ([], ["2.0"]),
    "hw:tpm_secret_security": ([], ["user"]),
    "hw:watchdog_action": (["disabled"], ["none", "pause", "poweroff", "reset"]),
    "hw:viommu_model": ([], ["intel", "auto"]),
    "hw:sound_model": ([], ["ich9"]),
    "hw:usb_model": (["none"], ["qemu-xhci"]),
    "hw:redirected_usb_ports": (["0"], ["2"]),
    "hw:ephemeral_encryption_format": (["luks"], []),
    "os:secure_boot": (["disabled"], ["required"]),
    "pci_passthrough:alias": ([], ["gpu:1"]),
    "quota:cpu_shares": ([], ["10"]),
    "quota:cpu_period": ([], ["10"]),
    "quota:cpu_quota": ([], ["10"]),
    "quota:memory_limit": ([], ["10"]),
    "quota:memory_shares_share": ([], ["10"]),
    "quota:memory_reservation": ([], ["10"]),
    "quota:memory_shares_level": ([], ["high"]),
    "quota:disk_read_bytes_sec": ([], ["10"]),
    "quota:disk_total_iops_sec": ([], ["10"]),
    "quota:vif_inbound_average": ([], ["10"]),
    "quota:vif_outbound_burst": ([], ["10"]),
    "resources:VCPU": (["1"], ["-1", "99"]),
    "resources:CUSTOM_THING": (["0"], ["1"]),
    "resources1:VCPU": ([], ["1"]),
    "trait:CUSTOM_GOLD": (["forbidden"], ["required"]),
    "trait1:CUSTOM_GOLD": ([], ["required", "forbidden"]),
    "trivet:isolation": (["namespaces", "vm"], []),
    "trivet:kind": (["vm"], ["metal"]),
    "trivet:net_admin": ([], ["true"]),
}
UNCHECKED = {
    "capabilities:cpu_info:vendor": ([], ["Intel"]),
    "aggregate_instance_extra_specs:ssd": ([], ["true"]),
    "vmware:hw_version": ([], ["vmx-13"]),
    "powervm:uncapped": ([], ["true"]),
    "hw:nonsense": ([], ["1"]),
    "notes:rack": (["12"], []),
}
PROPERTIES: dict[str, tuple[list[str], list[str]]] = {
    "architecture": (["x86_64"], ["aarch64"]),
    "hw_architecture": (["x86_64"], ["ppc64le"]),
    "hw_auto_disk_config": (["true"], []),
    "hw_boot_menu": (["false"], ["true"]),
    "hw_cdrom_bus": (["ide", "scsi"], ["usb"]),
    "hw_cpu_cores": (["1"], ["4"]),
    "hw_cpu_sockets": (["1"], ["4"]),
    "hw_cpu_threads": (["1"], ["4"]),
    "hw_cpu_max_cores": (["1"], []),
    "hw_cpu_max_sockets": (["1"], []),
    "hw_cpu_max_threads": (["1"], []),
    "hw_cpu_policy": (["shared"], ["dedicated"]),
    "hw_cpu_thread_policy": ([], ["prefer"]),
    "hw_cpu_realtime_mask": ([], ["^0"]),
    "hw_device_id": ([], ["2"]),
    "hw_disk_bus": (["virtio", "scsi"], ["ide", "sata", "usb"]),
    "hw_disk_type": ([], ["preallocated"]),
    "hw_emulation_architecture": ([], ["aarch64"]),
    "hw_ephemeral_encryption": (["false"], ["true"]),
    "hw_firmware_stateless": ([], ["true"]),
    "hw_firmware_type": (["bios", "uefi"], []),
    "hw_floppy_bus": (["fdc"], []),
    "hw_input_bus": ([], ["usb"]),
    "hw_ipxe_boot": (["false"], ["true"]),
    "hw_locked_memory": (["false"], ["true"]),
    "hw_machine_type": (["pc", "q35", "pc-q35-7.2"], ["virt"]),
    "hw_maxphysaddr_mode": ([], ["emulate"]),
    "hw_mem_encryption": (["false"], ["true"]),
    "hw_mem_page_size": ([], ["small", "large"]),
    "hw_numa_nodes": ([], ["1"]),
    "hw_pci_numa_affinity_policy": (["legacy"], []),
    "hw_pmu": ([], ["true"]),
    "hw_pointer_model": ([], ["usbtablet"]),
    "hw_qemu_guest_agent": (["no", "yes"], ["perhaps"]),
    "hw_rng_model": (["virtio"], []),
    "hw_scsi_model": (["virtio-scsi"], ["lsilogic"]),
    "hw_serial_port_count": (["1"], ["2"]),
    "hw_sound_model": ([], ["ich9"]),
    "hw_time_hpet": ([], ["true"]),
    "hw_tpm_model": ([], ["tpm-crb"]),
    "hw_tpm_version": ([], ["2.0"]),
    "hw_usb_model": (["none"], ["qemu-xhci"]),
    "hw_video_model": (["vga"], ["qxl", "none"]),
    "hw_video_ram": ([], ["64"]),
    "hw_vif_model": (["virtio", "e1000", "e1000e"], ["rtl8139"]),
    "hw_vif_multiqueue_enabled": (["false"], ["true"]),
    "hw_viommu_model": ([], ["virtio"]),
    "hw_virtio_packed_ring": (["false"], ["true"]),
    "hw_vm_mode": (["hvm"], ["xen"]),
    "hw_watchdog_action": (["disabled"], ["reset"]),
    "hypervisor_type": (["qemu", "kvm"], ["xen"]),
    "img_config_drive": (["optional", "mandatory"], []),
    "img_hide_hypervisor_id": (["false"], ["true"]),
    "img_hv_requested_version": ([], [">=2.6"]),
    "img_hv_type": (["kvm"], ["vmware"]),
    "kernel_id": ([], ["4c9d4ff4-7dcd-4a2f-8d3c-1f4ea4a2a1c0"]),
    "ramdisk_id": ([], ["4c9d4ff4-7dcd-4a2f-8d3c-1f4ea4a2a1c0"]),
    "os_command_line": (["quiet"], []),
    "os_distro": (["debian"], []),
    "os_require_quiesce": (["false", "true"], ["perhaps"]),
    "os_secure_boot": (["optional"], ["required"]),
    "os_shutdown_timeout": (["30"], ["soon", "²"]),
    "os_type": (["linux"], []),
    "trait:CUSTOM_GOLD": ([], ["required"]),
    "vm_mode": (["hvm"], ["exe"]),
}


async def flavor_with(cloud: Cloud, **fields: Any) -> str:
    async with cloud.store.write() as tx:
        id = tx.ids.uuid()
        await tx.insert(FLAVORS, Flavor(id=id, name=id, vcpus=1, ram_mib=512, disk_gib=1, created_at=0.0, **fields))
    return id


async def image_with(cloud: Cloud, properties: dict[str, str]) -> str:
    async with cloud.store.write() as tx:
        return await cloud.add_image(tx, "special", "qcow2", "bare", properties=properties)


async def becomes(cloud: Cloud, **said: Any) -> tuple[str, str]:
    """(status, why)"""
    id = await cloud.made(networks="none", **said)
    shown = await cloud.show(id)
    why = shown.get("fault", {}).get("message", "")
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    await cloud.settle()
    return str(shown["status"]), str(why)


def test_every_known_extra_spec_is_in_the_list() -> None:
    for names, _ in extra_specs._KNOWN_PATTERNS:
        assert any(names.fullmatch(name) for name in SPECS), (
            f"{names.pattern} is neither honoured nor refused by a test"
        )
    for name, (met, unmet) in SPECS.items():
        for value in (*met, *unmet):
            extra_specs.check(name, value)


async def test_an_extra_spec_is_honoured_or_no_host_is_found_for_it(cloud: Cloud) -> None:
    for name, (met, unmet) in (SPECS | UNCHECKED).items():
        for value in met:
            flavor = await flavor_with(cloud, extra_specs={name: value})
            assert await becomes(cloud, flavorRef=flavor) == ("ACTIVE", ""), (name, value)
        for value in unmet:
            flavor = await flavor_with(cloud, extra_specs={name: value})
            answer = await cloud.create(networks="none", flavorRef=flavor)
            if answer.status == 400:
                continue
            status, why = await becomes(cloud, flavorRef=flavor)
            assert status == "ERROR", (name, value)
            assert why.startswith("No valid host was found."), (name, value)
            assert name.partition(":")[2] in why or value in why, why


async def test_a_property_of_an_image_is_honoured_or_no_host_is_found_for_it(cloud: Cloud) -> None:
    for name, (met, unmet) in PROPERTIES.items():
        for value in met:
            image = await image_with(cloud, {name: value})
            assert await becomes(cloud, imageRef=image) == ("ACTIVE", ""), (name, value)
        for value in unmet:
            image = await image_with(cloud, {name: value})
            if (await cloud.create(networks="none", imageRef=image)).status == 400:
                continue
            status, why = await becomes(cloud, imageRef=image)
            assert status == "ERROR", (name, value)
            assert why.startswith("No valid host was found."), (name, value)
            assert name.partition("_")[2] in why or value in why or name in why, why


@pytest.mark.parametrize(
    ("extra", "properties"),
    [
        ({"hw:numa_nodes": "400"}, {}),
        ({"hw:cpu_thread_policy": "isolate"}, {}),
        ({"hw:cpu_realtime": "yes"}, {}),
        ({}, {"hw_numa_nodes": "3"}),
        ({}, {"hw_disk_bus": "nonsense"}),
        ({}, {"hw_vif_model": "nonsense"}),
        ({}, {"hw_firmware_type": "coreboot"}),
    ],
)
async def test_words_that_mean_nothing_or_contradict_each_other_are_refused_at_once(
    cloud: Cloud, extra: dict[str, str], properties: dict[str, str]
) -> None:
    flavor, image = await flavor_with(cloud, extra_specs=extra), await image_with(cloud, properties)
    (await cloud.create(flavorRef=flavor, imageRef=image)).refused(400)


@pytest.mark.parametrize("field", [{"swap_mib": 512}, {"ephemeral_gib": 1}])
async def test_a_disk_of_a_flavor_that_no_container_gets_is_a_wish_too(cloud: Cloud, field: dict[str, int]) -> None:
    flavor = await flavor_with(cloud, **field)
    status, why = await becomes(cloud, flavorRef=flavor, imageRef=cloud.container_image)
    assert (status, why.startswith("No valid host was found.")) == ("ERROR", True)
    assert next(iter(field)).partition("_")[0] in why


@pytest.mark.parametrize(
    "hint",
    [{"query": [">=", "$free_ram_mb", 1]}, {"build_near_host_ip": "10.0.0.1"}, {"target_cell": "a"}, {"foo": "b"}],
)
async def test_a_hint_that_nothing_follows_finds_no_host(cloud: Cloud, hint: dict[str, Any]) -> None:
    status, why = await becomes(cloud, hints=hint)
    assert (status, next(iter(hint)) in why) == ("ERROR", True)


async def test_heat_may_say_which_stack_a_server_belongs_to(cloud: Cloud) -> None:
    assert await becomes(cloud, hints={"heat_stack_name": "web"}) == ("ACTIVE", "")


async def test_certificates_that_nothing_checks_find_no_host(cloud: Cloud) -> None:
    status, why = await becomes(cloud, trusted_image_certificates=["one"])
    assert (status, "trusted_image_certificates" in why) == ("ERROR", True)


@pytest.mark.parametrize("vnic_type", ["direct", "macvtap", "direct-physical", "vdpa"])
async def test_a_port_that_wants_special_hardware_is_plugged_in_nowhere(cloud: Cloud, vnic_type: str) -> None:
    id = await cloud.made()
    (port,) = await cloud.rows("SELECT id FROM ports WHERE device_id = ?", id)
    (await cloud.call("DELETE", f"/servers/{id}/os-interface/{port[0]}")).ok()
    (await cloud.call("POST", f"/servers/{id}/os-interface", {"interfaceAttachment": {}})).ok()
    (free,) = await cloud.rows("SELECT id FROM ports WHERE device_id = ?", id)
    async with cloud.store.write() as tx:
        await tx.run(
            "UPDATE ports SET vnic_type = ?, device_id = '', device_owner = '' WHERE id = ?", vnic_type, free[0]
        )
    refusal = await cloud.call("POST", f"/servers/{id}/os-interface", {"interfaceAttachment": {"port_id": free[0]}})
    assert vnic_type in refusal.refused(400)
    made = await cloud.made(networks=[{"port": free[0]}])
    shown = await cloud.show(made)
    assert shown["status"] == "ERROR"
    assert vnic_type in shown["fault"]["message"]


async def test_an_image_that_insists_on_a_config_drive_gets_one(cloud: Cloud) -> None:
    id = await cloud.made(imageRef=await image_with(cloud, {"img_config_drive": "mandatory"}), networks="none")
    assert (await cloud.show(id))["config_drive"] == "True"


async def test_a_server_is_neither_resized_nor_rebuilt_into_a_wish_that_no_host_does(cloud: Cloud) -> None:
    id = await cloud.made(networks="none")
    pinned = await flavor_with(cloud, extra_specs={"hw:cpu_policy": "dedicated"})
    assert "hw:cpu_policy=dedicated" in (await cloud.act(id, "resize", {"flavorRef": pinned})).refused(409)
    special = await image_with(cloud, {"hw_video_model": "qxl"})
    assert "hw_video_model" in (await cloud.act(id, "rebuild", {"imageRef": special})).refused(400)
    assert (await cloud.show(id))["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"flavorRef": {"ram_mib": 70000}}, "70000 MB of memory"),
        ({"flavorRef": {"vcpus": 100}}, "100 vCPUs"),
        ({"flavorRef": {"disk_gib": 99999}}, "99999 GB of disk"),
    ],
)
async def test_no_valid_host_says_what_there_is_too_little_of(cloud: Cloud, said: dict[str, Any], word: str) -> None:
    async with cloud.store.write() as tx:
        id = tx.ids.uuid()
        size = {"vcpus": 1, "ram_mib": 512, "disk_gib": 1} | said["flavorRef"]
        await tx.insert(FLAVORS, Flavor(id=id, name=id, created_at=0.0, **size))
    status, why = await becomes(cloud, flavorRef=id)
    assert (status, word in why) == ("ERROR", True), why


async def test_no_valid_host_names_a_groups_rule_a_hint_and_a_zone(cloud: Cloud) -> None:
    group = {"server_group": {"name": "apart", "policy": "anti-affinity"}}
    group_id = (await cloud.call("POST", "/os-server-groups", group)).ok()["server_group"]["id"]
    for _ in range(3):
        last = await cloud.made(networks="none", hints={"group": group_id})
    _, why = await becomes(cloud, hints={"group": group_id})
    assert "anti-affinity" in why
    everywhere = [str(id) for (id,) in await cloud.rows("SELECT id FROM servers WHERE host_id IS NOT NULL")]
    _, why = await becomes(cloud, hints={"different_host": everywhere})
    assert "different_host" in why
    async with cloud.store.write() as tx:
        await cloud.add_host(tx, "far", vcpus=0, zone="far")
    _, why = await becomes(cloud, availability_zone="far")
    assert "zone far" in why
    assert last
