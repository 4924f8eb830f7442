"""Every option there is, typed, with its default and its sentence.

Read once: a TOML file, then TRIVET_... from the environment, then flags. There is no global; parts are
handed what they need.
"""

import socket
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

LOCAL = "local"
"""The image store that is always there: a folder under data."""
PUBLIC = "public"
"""The physical network that is always there: it leads out by a bridge of our own."""


RECOVERIES = ("off", "move", "rebuild")
ISOLATIONS = ("namespaces", "vm")
"""Of containers, the weakest first."""


def option(default: Any, sentence: str) -> Any:
    return field(default=default, metadata={"sentence": sentence})


@dataclass(frozen=True, slots=True)
class Settings:
    data: str = option("/var/lib/trivet", "Everything of this process lives under this directory.")
    listen: str = option("127.0.0.1:8774", "HOST:PORT where the API answers.")
    tls_certificate: str = option(
        "", "File with the certificate (and its chain) that the API shows; read again when it changes."
    )
    tls_key: str = option("", "File with the key of tls_certificate.")
    plain_http: bool = option(
        False, "Let others than this machine reach the API without TLS: where a proxy in front has it, say."
    )
    http_redirect: str = option(
        "", "HOST:PORT where plain HTTP is answered with the way to the API's TLS. Empty: nowhere."
    )
    admin_password: str = option(
        "", "Password of admin at the first start. Empty: one is made, and stands in clouds.yaml under data."
    )
    public_url: str = option("", "How clients reach the API, if not by the listen address (behind a balancer).")
    database: str = option("", "Where records live. Empty: SQLite under data. postgresql://... to run many processes.")
    region: str = option("RegionOne", "The region that the catalog names.")
    sim: bool = option(False, "Simulated hosts in place of real engines.")
    sim_hosts: int = option(4, "How many hosts the simulation has.")
    sim_hardware: str = option(
        "", "Folder with a recorded /sys: every simulated host is made inside as that machine is. Empty: none tells."
    )
    cpu_dedicated_set: str = option(
        "", "CPUs of this host that servers may have for themselves, such as 2-15,18-31. Empty: none."
    )
    cpu_shared_set: str = option(
        "", "CPUs of this host that servers share. Empty: all, or none where cpu_dedicated_set names some."
    )
    pci_devices: str = option(
        "",
        "PCI functions of this host that servers may have, under the names that flavors ask for: "
        "gpu=10de:20b0,nic=0000:81:*. Empty: none.",
    )
    leave_running: bool = option(
        False, "On stop, leave servers and engines running: for a restart that nobody notices."
    )
    workers: int = option(1, "How many equal processes serve the API on this machine.")
    token_s: int = option(3600, "How long a token lives.")
    strict_scope: bool = option(
        False, "The operator's acts need a token scoped to the system, not just the role admin."
    )
    limit_model: str = option("flat", "How limits of domains and projects relate: flat or strict_two_level.")
    lockout_tries: int = option(0, "Lock a user out after this many wrong passwords or passcodes in a row. 0: never.")
    lockout_s: int = option(1800, "How long a locked-out user waits.")
    password_history: int = option(0, "How many earlier passwords may not be chosen again.")
    password_days: int = option(0, "After how many days a password ends. 0: never.")
    password_min_days: int = option(
        0, "How many days a password that its user chose is kept, so that none goes through the history in a minute."
    )
    password_regex: str = option("", "What a new password must look like; empty allows all.")
    image_format_match: bool = option(
        True, "Refuse disk images whose bytes are not of the format that they are said to have."
    )
    shelved_offload_s: int = option(
        0, "After how long a shelved server leaves its host. 0: at once. -1: when an operator says so."
    )
    reclaim_servers_s: int = option(
        0, "How long a server that was deleted can be brought back (restore). 0: it is gone at once."
    )
    reclaim_volumes_s: int = option(
        0, "How long the data of a volume that was deleted is kept, and can be brought back. 0: it is gone at once."
    )
    image_stores: str = option(
        "", "Further places where images can be kept, each with its folder: fast=/srv/fast,archive=/mnt/archive."
    )
    image_default_store: str = option(
        "", "Where images are kept if nobody says where: one of image_stores. Empty: local, the folder under data."
    )
    container_isolation: str = option(
        "namespaces",
        "What every container must have at least: namespaces of its own, or vm, a virtual machine of its own, which no "
        "host can give yet, so that containers are refused.",
    )
    external_cidr: str = option("172.24.4.0/24", "Addresses of the network that leads out of the cloud.")
    web_allow: str = option(
        "",
        "Addresses, networks and host names, with commas between, that images may be fetched from though not public.",
    )
    physical_networks: str = option(
        "", "Further networks that an operator may bridge to, each with an interface of this host: lab:eth1,wan:eth2."
    )
    metal: bool = option(
        False, "Run the engine for physical machines (Ironic; pip install 'trivet[metal]'), and offer its API."
    )
    metal_hardware: str = option("redfish,ipmi", "The kinds of management controllers that it knows, of Ironic's.")
    metal_door: str = option(
        "", "ADDRESS:PORT on the deploy network, where machines call that are being inspected, deployed or erased."
    )
    metal_media: str = option(
        "",
        "ADDRESS:PORT on the management network, where controllers fetch what they insert as a CD. Empty: metal_door.",
    )
    metal_dhcp: str = option(
        "", "Addresses that machines are given on the deploy network: 10.0.100.50-10.0.100.99. Empty: others do it."
    )
    metal_ramdisk: str = option(
        "/usr/share/trivet/ramdisk", "Where what machines boot for that lies, as tools/build-ramdisk.sh makes it."
    )
    metal_vlans: str = option(
        "",
        "The physical network of the machines' switches, and its VLANs for tenants' networks: rack:2000-2999. Empty: "
        "machines are looked after, and are no servers.",
    )
    metal_deploy_vlan: int = option(100, "Where a machine is while it is inspected, deployed or erased.")
    metal_parking_vlan: int = option(4000, "Where a machine is that nobody uses: a VLAN that leads nowhere.")
    metal_switches: str = option(
        "", "The switches, by the names that machines' ports say, each with its OVSDB: sw1=tcp:10.0.0.2:6640,sw2=..."
    )
    underlay: str = option(
        "",
        "ADDRESS/PREFIX@INTERFACE of this host on the network between the hosts, so that others can join: "
        "10.20.0.1/24@eth1. Empty: this host is alone.",
    )
    novnc: str = option("/usr/share/novnc", "Where noVNC's files lie, for graphical consoles in a browser.")
    log_json: bool = option(False, "Log lines as JSON.")
    access_log: bool = option(False, "Log a line for every request: who, what, how it ended, how long it took.")
    fencing_most: int = option(
        3, "How many hosts may be fenced in an hour. 0: none, so that no server is ever brought back by itself."
    )
    recovery: str = option(
        "move",
        "What becomes of a server whose host has failed, where neither it nor its flavor nor image says: off, move (if "
        "nothing of it is lost by that) or rebuild (from its image, if its disk was the host's).",
    )
    audit_days: int = option(7, "How many days the log of changes, and who made them, is kept.")
    s3_listen: str = option("", "HOST:PORT where S3 alone is, with buckets at the root. Empty: it is below /s3 only.")
    metrics_listen: str = option(
        "", "HOST:PORT where /metrics, /healthz and /readyz are answered to anybody. Empty: only the API has them."
    )

    @property
    def fabric(self) -> tuple[str, int, int]:
        """Of the machines' switches: its name, and the first and last VLAN for tenants."""
        name, _, vlans = self.metal_vlans.partition(":")
        first, _, last = vlans.partition("-")
        return name, int(first), int(last)

    @property
    def switches(self) -> dict[str, str]:
        """Name -> address."""
        entries = (entry.partition("=") for entry in self.metal_switches.split(",") if entry)
        return {name: address for name, _, address in entries}

    @property
    def stores(self) -> dict[str, str]:
        """Name -> folder, of image stores besides our own."""
        entries = (entry.partition("=") for entry in self.image_stores.split(",") if entry)
        return {name: folder for name, _, folder in entries}

    @property
    def physical(self) -> dict[str, str]:
        """Name -> interface, of those besides our own."""
        entries = (entry.partition(":") for entry in self.physical_networks.split(",") if entry)
        return {name: interface for name, _, interface in entries}

    @property
    def listen_host(self) -> str:
        return self.listen.rpartition(":")[0]

    @property
    def listen_port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def url(self) -> str:
        """What the catalog says, without a slash at the end."""
        return (self.public_url or self.own_url).rstrip("/")

    @property
    def own_url(self) -> str:
        """The address at which this process listens, as others reach it."""
        return self.url_at(self.listen_port)

    def url_at(self, port: int) -> str:
        host = self.listen_host.strip("[]")
        if self.listens_everywhere:
            host = _facing_out(host)
        scheme = "https" if self.tls_certificate else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def listens_everywhere(self) -> bool:
        """At all addresses of this machine, so that `listen` is none that a client could use."""
        return self.listen_host.strip("[]") in _WILDCARDS

    @property
    def database_file(self) -> Path | None:
        """SQLite's; None if the records live elsewhere, or nowhere."""
        if self.database.startswith(POSTGRESQL) or self.database == ":memory:":
            return None
        return Path(self.database.removeprefix("sqlite:///") or Path(self.data) / "trivet.db")


POSTGRESQL = ("postgresql://", "postgres://")
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - whether somebody did is the question
"""Wildcard addresses, and the address to name instead on a machine that has no network."""
_FAR_AWAY = ((socket.AF_INET6, "2001:db8::1"), (socket.AF_INET, "192.0.2.1"))


@cache
def _facing_out(wildcard: str) -> str:
    """The address of this machine from which it would go to others. To ask, nothing is sent.

    Who listens at :: hears both families.
    """
    for family, far_away in _FAR_AWAY:
        if family == socket.AF_INET or wildcard == "::":
            with socket.socket(family, socket.SOCK_DGRAM) as probe, suppress(OSError):
                probe.connect((far_away, 9))
                return str(probe.getsockname()[0])
    return _WILDCARDS[wildcard]
