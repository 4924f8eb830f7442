"""A rack: physical machines as far as one machine can have them.

In a network namespace of its own there are a switch (Open vSwitch, spoken to by OVSDB over the management network) and
machines: QEMU with UEFI firmware, each behind a management controller that speaks Redfish (sushy-tools, over a libvirt
of its own). Three cables lead out: a trunk with the tenants' VLANs, one of the deploy network, and one for management.
"""

import http.client
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

DEPLOY_VLAN, PARKING_VLAN = 100, 4000
FIRST_VLAN, LAST_VLAN = 2000, 2999
_FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
_MANAGEMENT = "172.22.9"
_DEPLOY = "172.22.100"
_READY_S = 60.0
_STOP_S = 10.0
_NEEDED = {
    "libvirtd": "libvirt-daemon",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "ovs-vswitchd": "openvswitch-switch",
    "dnsmasq": "dnsmasq-base",
    "sgdisk": "gdisk",
}

_DOMAIN = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>
<memory unit='MiB'>{memory}</memory><vcpu>{vcpus}</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' type='pflash'>{firmware}</loader>
<nvram template='{variables}'>{folder}/{name}.nvram</nvram><boot dev='hd'/></os>
<features><acpi/><apic/></features><cpu mode='maximum'/><on_reboot>restart</on_reboot><on_crash>preserve</on_crash>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/><source file='{folder}/{name}.qcow2'/>
<target dev='vda' bus='virtio'/></disk>{cards}
<serial type='unix'><source mode='bind' path='{folder}/{name}.serial'/><log file='{folder}/{name}.console' append='on'/>
</serial><video><model type='vga'/></video><memballoon model='none'/></devices></domain>
"""
_CARD = """<interface type='ethernet'><mac address='{mac}'/><target dev='{port}' managed='no'/><model type='virtio'/>
<driver name='qemu'><host csum='off'/></driver><rom bar='on'/></interface>"""
_LIBVIRTD = """set -e
mount --make-rprivate /
mkdir -p /var/lib/libvirt /run/libvirt /var/log/libvirt /var/cache/libvirt /etc/libvirt
for place in etc/libvirt var/lib/libvirt run/libvirt var/log/libvirt var/cache/libvirt; do
    mkdir -p "$1/root/$place"; mount --bind "$1/root/$place" "/$place"
done
cp "$1/qemu.conf" /etc/libvirt/qemu.conf
# It insists on a user that a larger package makes; here it sees one, and the machine gets none.
cp /etc/passwd "$1/passwd"; cp /etc/group "$1/group"
grep -q ^libvirt-qemu: "$1/passwd" || echo libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin >> "$1/passwd"
grep -q ^libvirt-qemu: "$1/group" || echo libvirt-qemu:x:64055: >> "$1/group"
mount --bind "$1/passwd" /etc/passwd; mount --bind "$1/group" /etc/group
exec libvirtd -f "$1/libvirtd.conf" -p "$1/libvirtd.pid" -d
"""
_APART = 'log=$0; setsid "$@" </dev/null >>"$log" 2>&1 & echo $!'
"""No child of ours: a rack goes on when whoever gave it power has gone."""
_QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
remember_owner = 0
stdio_handler = "file"
"""


def missing(controllers: Path) -> list[str]:
    """What keeps a rack from standing here. `controllers`: the sushy-emulator program."""
    lacks = [f"{program} ({package})" for program, package in _NEEDED.items() if shutil.which(program) is None]
    lacks += [f"{file} (ovmf)" for file in (_FIRMWARE, _VARIABLES) if not file.exists()]
    if not controllers.exists():
        lacks.append(f"{controllers} (tools/build-rack.sh)")
    return lacks


class Machine(msgspec.Struct, frozen=True):
    number: int

    @property
    def name(self) -> str:
        return f"m{self.number}"

    @property
    def system(self) -> str:
        """What its management controller calls it."""
        return f"00000000-0000-4000-8000-{self.number:012}"

    def mac(self, card: int) -> str:
        return f"52:54:00:22:{card:02x}:{self.number:02x}"

    def port(self, card: int) -> str:
        """Of the switch."""
        return f"{self.name}p{card}"


class Rack(msgspec.Struct, frozen=True):
    directory: Path
    name: str
    """What its namespace and its cables here begin with: at most 8 letters."""
    controllers: Path
    """The sushy-emulator program."""
    memory_mib: int = 2048
    cards: int = 2

    @property
    def namespace(self) -> str:
        return f"{self.name}-rack"

    @property
    def trunk(self) -> str:
        """The interface here that leads to the tenants' VLANs."""
        return f"{self.name}-trunk"

    @property
    def deploy_cable(self) -> str:
        return f"{self.name}-deploy"

    @property
    def deploy_address(self) -> str:
        """Ours, in the deploy network."""
        return f"{_DEPLOY}.1"

    @property
    def management_address(self) -> str:
        """Ours, in the management network."""
        return f"{_MANAGEMENT}.1"

    @property
    def switch(self) -> str:
        return f"tcp:{_MANAGEMENT}.2:6640"

    @property
    def controller(self) -> str:
        return f"http://{_MANAGEMENT}.2:8000"

    def console(self, machine: Machine) -> str:
        with suppress(FileNotFoundError):
            return (self.directory / f"{machine.name}.console").read_text(errors="replace")
        return ""

    # -- up

    def up(self, count: int) -> list[Machine]:
        machines = [Machine(number) for number in range(1, count + 1)]
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lay_cables()
        self._start_switch()
        for machine in machines:
            for card in range(self.cards):
                port = machine.port(card)
                _run("ip", "-n", self.namespace, "tuntap", "add", port, "mode", "tap")
                _run("ip", "-n", self.namespace, "link", "set", port, "up")
                self._vsctl("add-port", "sw1", port, "--", "set", "port", port, f"tag={PARKING_VLAN}")
        self._start_libvirt()
        for machine in machines:
            self._define(machine)
        self._start_controllers()
        return machines

    def _lay_cables(self) -> None:
        _run("ip", "netns", "add", self.namespace)
        _run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        for here, there in ((self.trunk, "trunk"), (self.deploy_cable, "deploy"), (f"{self.name}-mgmt", "mgmt")):
            _run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", self.namespace)
            _run("ip", "link", "set", here, "up")
            _run("ip", "-n", self.namespace, "link", "set", there, "up")
            for inside, device in ((False, here), (True, there)):
                self._run("ethtool", "-K", device, "tx", "off", inside=inside)
        _run("ip", "address", "add", f"{self.deploy_address}/24", "dev", self.deploy_cable)
        _run("ip", "address", "add", f"{self.management_address}/24", "dev", f"{self.name}-mgmt")
        _run("ip", "-n", self.namespace, "address", "add", f"{_MANAGEMENT}.2/24", "dev", "mgmt")

    def _start_switch(self) -> None:
        folder = self.directory / "switch"
        folder.mkdir(exist_ok=True)
        _run("ovsdb-tool", "create", f"{folder}/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
        daemon = ("--detach", "--no-chdir")
        listening = (f"--remote=punix:{folder}/db.sock", f"--remote=ptcp:6640:{_MANAGEMENT}.2")
        self._daemon("ovsdb-server", f"{folder}/conf.db", *listening, f"--unixctl={folder}/db.ctl", *daemon)
        self._vsctl("--no-wait", "init")
        self._daemon("ovs-vswitchd", f"unix:{folder}/db.sock", f"--unixctl={folder}/vswitchd.ctl", *daemon)
        self._vsctl("add-br", "sw1", "--", "set", "bridge", "sw1", "datapath_type=netdev")
        self._vsctl("add-port", "sw1", "trunk", "--", "set", "port", "trunk", "vlan_mode=trunk")
        self._vsctl("add-port", "sw1", "deploy", "--", "set", "port", "deploy", f"tag={DEPLOY_VLAN}")

    def _start_libvirt(self) -> None:
        folder = self.directory
        (folder / "pool").mkdir(exist_ok=True)
        (folder / "qemu.conf").write_text(_QEMU_CONF)
        (folder / "libvirtd.conf").write_text(
            f'unix_sock_dir = "{folder}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n'
            f'log_outputs = "3:file:{folder}/libvirtd.log"\n'
        )
        self._run("unshare", "--mount", "bash", "-c", _LIBVIRTD, "libvirtd", str(folder), inside=True)
        _until((folder / "libvirt-sock").exists, "libvirtd answers")
        self._virsh("pool-define-as", "default", "dir", "--target", f"{folder}/pool")
        self._virsh("pool-start", "default")

    def _define(self, machine: Machine) -> None:
        cards = "".join(_CARD.format(mac=machine.mac(n), port=machine.port(n)) for n in range(self.cards))
        disk = self.directory / f"{machine.name}.qcow2"
        if not disk.exists():
            _run("qemu-img", "create", "-q", "-f", "qcow2", str(disk), "4G")
        text = _DOMAIN.format(
            name=machine.name,
            uuid=machine.system,
            memory=self.memory_mib,
            vcpus=2,
            firmware=_FIRMWARE,
            variables=_VARIABLES,
            folder=self.directory,
            cards=cards,
        )
        file = self.directory / f"{machine.name}.xml"
        file.write_text(text)
        self._virsh("define", str(file))

    def _start_controllers(self) -> None:
        folder = self.directory
        loaders = {"UEFI": {"x86_64": str(_FIRMWARE)}, "Legacy": {"x86_64": None}}
        (folder / "controllers.conf").write_text(
            f"SUSHY_EMULATOR_LISTEN_IP = '{_MANAGEMENT}.2'\nSUSHY_EMULATOR_LISTEN_PORT = 8000\n"
            f"SUSHY_EMULATOR_LIBVIRT_URI = '{self._libvirt}'\nSUSHY_EMULATOR_STATE_DIR = '{folder}/controllers'\n"
            f"SUSHY_EMULATOR_BOOT_LOADER_MAP = {loaders!r}\n"
        )
        (folder / "controllers").mkdir(exist_ok=True)
        words = (str(self.controllers), "--config", f"{folder}/controllers.conf")
        start(folder, "controllers", "ip", "netns", "exec", self.namespace, *words)
        _until(lambda: answers(f"{self.controller}/redfish/v1/Systems"), "the management controllers answer")

    # -- down

    def down(self) -> None:
        with suppress(subprocess.CalledProcessError, FileNotFoundError):
            for name in self._virsh("list", "--name").split():
                self._virsh("destroy", name)
        for file in self.directory.glob("*.pid"):
            stop(file)
        for cable in (self.trunk, self.deploy_cable, f"{self.name}-mgmt"):
            subprocess.run(["ip", "link", "delete", cable], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", self.namespace], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- programs

    @property
    def _libvirt(self) -> str:
        return f"qemu:///system?socket={self.directory}/libvirt-sock"

    def _virsh(self, *words: str) -> str:
        return _run("virsh", "--quiet", "--connect", self._libvirt, *words)

    def _vsctl(self, *words: str) -> str:
        return _run("ovs-vsctl", f"--db=unix:{self.directory}/switch/db.sock", "--timeout=20", *words)

    def _daemon(self, program: str, *words: str) -> None:
        folder = self.directory / "switch"
        files = (f"--pidfile={self.directory}/{program}.pid", f"--log-file={folder}/{program}.log")
        self._run(program, *words, *files, inside=True, OVS_RUNDIR=str(folder))

    def _run(self, *words: str, inside: bool, **environment: str) -> str:
        return _run(*(("ip", "netns", "exec", self.namespace) if inside else ()), *words, **environment)


def metal_image(source: Path, target: Path) -> Path:
    """The test guest as UEFI machines boot it: with a GPT in place of its MBR."""
    raw = target.with_suffix(".raw")
    _run("qemu-img", "convert", "-O", "raw", str(source), str(raw))
    with raw.open("r+b") as file:
        file.truncate(raw.stat().st_size + (1 << 20))
    _run("sgdisk", "--mbrtogpt", str(raw))
    _run("qemu-img", "convert", "-c", "-O", "qcow2", str(raw), str(target))
    raw.unlink()
    return target


def start(directory: Path, name: str, *command: str, **environment: str) -> None:
    """A process that goes on, with its number and its words beside each other."""
    began = subprocess.run(
        ["bash", "-c", _APART, str(directory / f"{name}.log"), *command],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    (directory / f"{name}.pid").write_text(began.stdout.strip())


def stop(file: Path) -> None:
    with suppress(OSError, ValueError):
        pid = int(file.read_text())
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + _STOP_S
        while time.monotonic() < end and _lives(pid):
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
    file.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def answers(url: str) -> bool:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=2)) as connection:
        try:
            connection.request("GET", parts.path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def _until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _READY_S
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"It took too long until {what}.")
        time.sleep(0.1)


def _run(*command: str, **environment: str) -> str:
    ended = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | environment if environment else None
    )
    if ended.returncode:
        raise subprocess.CalledProcessError(ended.returncode, command, ended.stdout, ended.stderr + ended.stdout)
    return ended.stdout
