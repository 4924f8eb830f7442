"""The engine of a rack: Ironic as one process, with what its ramdisk needs around it.

DHCP for the deploy network, and an HTTP server for what a management controller inserts as a CD and for images.
"""

import http.client
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from trivet.lab.rack import Machine, Rack, answers, start, stop

_PORT, _FILES_PORT = 6385, 8080
_READY_S = 120.0
_VERSION = "1.109"
_CONF = """[DEFAULT]
auth_strategy = noauth
rpc_transport = none
host = trivet-metal
state_path = {folder}
log_file = {folder}/ironic.log
tempdir = {folder}/tmp
my_ip = {deploy}
grub_config_path = boot/grub/grub.cfg
enabled_hardware_types = redfish
enabled_boot_interfaces = redfish-virtual-media
enabled_bios_interfaces = no-bios
enabled_console_interfaces = no-console
enabled_deploy_interfaces = direct
enabled_firmware_interfaces = no-firmware
enabled_inspect_interfaces = agent
enabled_management_interfaces = redfish
enabled_network_interfaces = noop
enabled_power_interfaces = redfish
enabled_raid_interfaces = no-raid
enabled_rescue_interfaces = no-rescue
enabled_storage_interfaces = noop
enabled_vendor_interfaces = no-vendor
default_network_interface = noop
hash_ring_reset_interval = 15
[api]
host_ip = {deploy}
port = {port}
restrict_lookup = True
[database]
connection = sqlite:///{folder}/ironic.sqlite?timeout=60
[oslo_concurrency]
lock_path = {folder}/tmp
[conductor]
automated_clean = True
bootloader = file://{files}/ipa/esp.img
deploy_kernel = file://{files}/ipa/ipa.kernel
deploy_ramdisk = file://{files}/ipa/ipa.initramfs
file_url_allowed_paths = {files}
sync_power_state_interval = 10
check_provision_state_interval = 5
deploy_callback_timeout = 1800
clean_callback_timeout = 1800
inspect_timeout = 1800
workers_pool_size = 64
soft_power_off_timeout = 60
[deploy]
http_url = http://{deploy}:{files_port}
external_http_url = http://{management}:{files_port}
http_root = {files}
default_boot_mode = uefi
erase_devices_priority = 0
erase_devices_metadata_priority = 10
[agent]
image_download_source = http
deploy_logs_collect = never
heartbeat_timeout = 300
[service_catalog]
endpoint_override = http://{deploy}:{port}
auth_type = none
[dhcp]
dhcp_provider = none
[pxe]
images_path = {folder}/images
instance_master_path = {folder}/master
kernel_append_params = console=ttyS0,115200 net.ifnames=0 ipa-insecure=1
[redfish]
use_swift = False
kernel_append_params = console=ttyS0,115200 net.ifnames=0 ipa-insecure=1
[inspector]
require_managed_boot = True
hooks = ramdisk-error,validate-interfaces,ports,architecture,cpus,memory,root-device
add_ports = pxe
[oslo_policy]
enforce_scope = False
"""


class Engine(msgspec.Struct, frozen=True):
    rack: Rack
    programs: Path
    """Of the environment that Ironic is installed in: its bin folder."""
    ramdisk: Path
    """The folder with ipa.kernel, ipa.initramfs and esp.img."""

    @property
    def folder(self) -> Path:
        return self.rack.directory / "engine"

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def url(self) -> str:
        return f"http://{self.rack.deploy_address}:{_PORT}"

    @property
    def settings(self) -> dict[str, str]:
        """What a cloud is told of it, and of its rack."""
        return {
            "TRIVET_METAL_ENGINE": self.url,
            "TRIVET_METAL_VLANS": "rack:2000-2999",
            "TRIVET_METAL_SWITCHES": f"sw1={self.rack.switch}",
            "TRIVET_METAL_IMAGES": str(self.files / "images"),
            "TRIVET_METAL_IMAGES_URL": f"http://{self.rack.deploy_address}:{_FILES_PORT}/images",
            "TRIVET_PHYSICAL_NETWORKS": f"rack:{self.rack.trunk}",
        }

    def up(self) -> None:
        for place in (self.folder / "tmp", self.folder / "images", self.folder / "master", self.files / "ipa"):
            place.mkdir(parents=True, exist_ok=True)
        for name in ("ipa.kernel", "ipa.initramfs", "esp.img"):
            shutil.copyfile(self.ramdisk / name, self.files / "ipa" / name)
        conf = self.folder / "ironic.conf"
        conf.write_text(
            _CONF.format(
                folder=self.folder,
                files=self.files,
                deploy=self.rack.deploy_address,
                management=self.rack.management_address,
                port=_PORT,
                files_port=_FILES_PORT,
            )
        )
        start(self.folder, "files-server", sys.executable, "-m", "http.server", str(_FILES_PORT), "-d", str(self.files))
        first = self.rack.deploy_address.rpartition(".")[0]
        start(
            self.folder,
            "dhcp",
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--bind-interfaces",
            f"--interface={self.rack.deploy_cable}",
            f"--dhcp-range={first}.50,{first}.99,255.255.255.0,10m",
            "--dhcp-authoritative",
            "--dhcp-option=option:router",
            f"--dhcp-leasefile={self.folder}/leases",
        )
        words = ("--config-file", str(conf))
        act = "upgrade" if (self.folder / "ironic.sqlite").exists() else "create_schema"
        start(self.folder, "schema", str(self.programs / "ironic-dbsync"), *words, act)
        self._until(lambda: not _runs(self.folder / "schema.pid"), "the engine's database was made")
        start(
            self.folder,
            "ironic",
            str(self.programs / "ironic"),
            *words,
            PATH=f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        self._until(lambda: answers(f"{self.url}/v1/drivers"), "the engine answered")
        self._until(lambda: bool(self.call("GET", "/v1/drivers")["drivers"]), "the engine had its drivers")

    def down(self) -> None:
        for file in self.folder.glob("*.pid"):
            stop(file)

    def enrol(self, machine: Machine) -> str:
        controller = {
            "redfish_address": self.rack.controller,
            "redfish_system_id": f"/redfish/v1/Systems/{machine.system}",
            "redfish_username": "admin",
            "redfish_password": "secret",
        }
        node = {
            "name": machine.name,
            "driver": "redfish",
            "resource_class": "small",
            "driver_info": controller,
            "properties": {"cpu_arch": "x86_64", "capabilities": "boot_mode:uefi"},
        }
        id = str(self.call("POST", "/v1/nodes", node)["uuid"])
        for card in range(self.rack.cards):
            link = {"switch_id": "02:00:00:00:00:01", "switch_info": "sw1", "port_id": machine.port(card)}
            port = {"node_uuid": id, "address": machine.mac(card), "pxe_enabled": card == 0, "physical_network": "rack"}
            self.call("POST", "/v1/ports", port | {"local_link_connection": link})
        self.to(id, "manage")
        return id

    def to(self, id: str, target: str) -> None:
        self.call("PUT", f"/v1/nodes/{id}/states/provision", {"target": target})

    def wait_for(self, id: str, state: str, within_s: float = 1800.0) -> Iterator[str]:
        """Every other state on the way; an error if it stops elsewhere."""
        end, last = time.monotonic() + within_s, ""
        while (node := self.call("GET", f"/v1/nodes/{id}"))["provision_state"] != state:
            now = node["provision_state"]
            if now != last:
                yield now
            last = now
            if now.endswith("failed") or now == "error" or time.monotonic() > end:
                raise RuntimeError(f"{node['name']} is {now}: {node['last_error']}")
            time.sleep(1.0)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-OpenStack-Ironic-API-Version": _VERSION, "Content-Type": "application/json"}
        for _ in range(30):
            with closing(http.client.HTTPConnection(self.rack.deploy_address, _PORT, timeout=60)) as connection:
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                said = answer.read()
            if answer.status != 409:
                break
            time.sleep(1.0)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {said[:500]!r}")
        return json.loads(said) if said else {}

    def _until(self, true: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + _READY_S
        while not true():
            if time.monotonic() > end:
                raise TimeoutError(f"It took too long until {what}; see {self.folder}.")
            time.sleep(0.2)


def _runs(file: Path) -> bool:
    return Path(f"/proc/{file.read_text()}/status").exists() and "Z" not in _state(file)


def _state(file: Path) -> str:
    try:
        return Path(f"/proc/{file.read_text()}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
