"""What Ironic is told: one file, written anew at each start.

It is asked on a socket that only we can open, and believes there who is said to ask. What the deploy ramdisk may say
comes in by another door (`child.py`), which is open on the deploy network and serves the files there, too.
"""

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

SOCKET = "api.sock"
READY = b"ready\n"


class Wanted(msgspec.Struct, frozen=True):
    folder: Path
    """Where its database, its socket and its files are."""
    hardware: tuple[str, ...] = ("redfish", "ipmi")
    door: str = ""
    """ADDRESS:PORT on the deploy network; without it no machine can be inspected or deployed, only looked after."""
    media: str = ""
    """ADDRESS:PORT on the management network, where controllers fetch what they insert; or they come to the door."""
    addresses: str = ""
    """FIRST-LAST, which machines are given on the deploy network; or others do that."""
    ramdisk: Path = Path()
    """The folder with ipa.kernel, ipa.initramfs and esp.img."""

    @property
    def socket(self) -> Path:
        return self.folder / SOCKET

    @property
    def door_url(self) -> str:
        """What the deploy network calls, and where it finds what lies in `files`."""
        return f"http://{self.door or '127.0.0.1:6385'}"

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def file(self) -> Path:
        return self.folder / "ironic.conf"


_MENU = """set timeout=0
menuentry ramdisk {
    linux {{ linux }} {{ kernel_params }} --
    initrd {{ initrd }}
}
"""
"""Ironic's own shows its one entry for five seconds, at every boot."""
_KERNEL = "console=ttyS0,115200 net.ifnames=0 ipa-insecure=1 panic=10"
_INTERFACES = {
    "bios": ("redfish", "no-bios"),
    "boot": ("redfish-virtual-media", "http-ipxe", "ipxe"),
    "console": ("no-console",),
    "deploy": ("direct", "ramdisk", "custom-agent"),
    "firmware": ("redfish", "no-firmware"),
    "inspect": ("agent", "redfish", "no-inspect"),
    "management": ("redfish", "ipmitool"),
    "power": ("redfish", "ipmitool"),
    "raid": ("no-raid", "agent", "redfish"),
    "rescue": ("no-rescue", "agent"),
    "storage": ("noop", "external"),
    "vendor": ("no-vendor", "redfish", "ipmitool"),
}
_OF = {"redfish": "redfish", "ipmitool": "ipmi", "fake": "fake-hardware"}
"""Interfaces that begin so, and the hardware that they are of."""


_FOR_REDFISH = """default_inspect_interface = agent
default_boot_interface = redfish-virtual-media"""
"""Else it would be its own, which knows less, and a boot by DHCP and TFTP."""


def text(wanted: Wanted) -> str:
    """The file. More than 27 workers, or it refuses to start with so many interfaces."""
    folder, files = wanted.folder, wanted.files
    interfaces = "\n".join(
        f"enabled_{role}_interfaces = {','.join(_enabled((*names, 'fake'), wanted.hardware))}"
        for role, names in _INTERFACES.items()
    )
    return f"""[DEFAULT]
auth_strategy = keystone
rpc_transport = none
host = trivet-metal
state_path = {folder}
log_file = {folder}/ironic.log
tempdir = {folder}/work
grub_config_path = boot/grub/grub.cfg
grub_config_template = {wanted.folder}/grub.template
enabled_hardware_types = {",".join(wanted.hardware)}
{interfaces}
enabled_network_interfaces = noop
default_network_interface = noop
{_FOR_REDFISH if "redfish" in wanted.hardware else ""}
hash_ring_reset_interval = 15
[api]
unix_socket = {wanted.socket}
unix_socket_mode = 600
restrict_lookup = True
[oslo_middleware]
enable_proxy_headers_parsing = True
[database]
connection = sqlite:///{folder}/ironic.sqlite?timeout=60
[oslo_concurrency]
lock_path = {folder}/work
[conductor]
automated_clean = True
disable_zstandard_decompression = True
bootloader = file://{wanted.ramdisk}/esp.img
deploy_kernel = file://{wanted.ramdisk}/ipa.kernel
deploy_ramdisk = file://{wanted.ramdisk}/ipa.initramfs
file_url_allowed_paths = {wanted.ramdisk}
sync_power_state_interval = 30
check_provision_state_interval = 5
deploy_callback_timeout = 1800
clean_callback_timeout = 1800
inspect_timeout = 1800
send_sensor_data = False
workers_pool_size = 64
soft_power_off_timeout = 60
[deploy]
http_url = {wanted.door_url}
external_http_url = {f"http://{wanted.media}" if wanted.media else wanted.door_url}
http_root = {files}
default_boot_mode = uefi
erase_devices_priority = 0
erase_devices_metadata_priority = 10
[agent]
image_download_source = http
deploy_logs_collect = never
heartbeat_timeout = 300
[service_catalog]
endpoint_override = {wanted.door_url}
auth_type = none
[dhcp]
dhcp_provider = none
[pxe]
images_path = {folder}/images
instance_master_path = {folder}/master
tftp_root = {folder}/tftp
tftp_master_path = {folder}/master
kernel_append_params = {_KERNEL}
[redfish]
use_swift = False
kernel_append_params = {_KERNEL}
[inspector]
require_managed_boot = True
hooks = ramdisk-error,validate-interfaces,ports,architecture,cpus,memory,root-device
add_ports = all
"""


def _enabled(names: Iterable[str], hardware: Collection[str]) -> list[str]:
    """Each is loaded at the start, and refuses it where its programs are missing."""
    return [name for name in names if all(of in hardware for first, of in _OF.items() if name.startswith(first))]


def write(wanted: Wanted) -> None:
    wanted.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("work", "files", "images", "master", "tftp"):
        (wanted.folder / name).mkdir(parents=True, exist_ok=True)
    (wanted.folder / "grub.template").write_text(_MENU)
    wanted.file.write_text(text(wanted))
