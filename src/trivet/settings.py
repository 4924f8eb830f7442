"""Every option there is, typed, with its default and its sentence.

Read once: a TOML file, then TRIVET_... from the environment, then flags. There is no global; parts are
handed what they need.
"""

import re
import socket
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_interface
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from trivet.drivers.contracts import cpu_sets
from trivet.errors import Invalid

LOCAL = "local"
"""The image store that is always there: a folder under data."""
PUBLIC = "public"
"""The physical network that is always there: it leads out by a bridge of our own."""
_PHYSICAL = re.compile(r"[A-Za-z0-9_-]{1,63}:[A-Za-z0-9_.@-]{1,15}")
_VLANS = re.compile(r"[A-Za-z0-9_-]{1,63}:[0-9]{1,4}-[0-9]{1,4}")
_VLAN_MAX = 4094
_DOOR = re.compile(r"(\[[0-9a-fA-F:]{2,45}\]|[0-9.]{7,15}):[0-9]{1,5}")
_STORE = re.compile(r"[a-z0-9_]{1,32}=/[^,]{1,255}")
_SWITCH = re.compile(r"[^=,]{1,63}=(tcp:[^,]{1,253}:[0-9]{1,5}|unix:[^,]{1,200})")
_UNDERLAY = re.compile(r"[0-9a-fA-F.:]{2,45}/[0-9]{1,3}@[A-Za-z0-9_.-]{1,15}")


_TESTS = "TRIVET_TEST_"
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
_PREFIX = "TRIVET_"
_NEAR = 0.8
"""How alike two names must be (1 is the same) for one to count as a misspelling of the other."""
_DATABASES = (*POSTGRESQL, "sqlite:///")
_PORT = re.compile("[0-9]{1,9}")
_PORT_MAX = 65535
_ADDRESSES = ("listen", "http_redirect", "metrics_listen", "s3_listen")
_WHOLE = re.compile("[+-]?[0-9]{1,18}")
_LEAST = {
    "workers": 1, "audit_days": 1, "sim_hosts": 0, "token_s": 1, "lockout_tries": 0, "lockout_s": 0,
    "password_history": 0, "password_days": 0, "password_min_days": 0, "shelved_offload_s": -1,
    "reclaim_servers_s": 0, "reclaim_volumes_s": 0,
}  # fmt: skip
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


def load(path: Path | None, environment: dict[str, str], flags: dict[str, Any]) -> Settings:
    """Flags over environment over file over defaults. Unknown names are refused with the nearest known one."""
    said: dict[str, Any] = {}
    if path is not None:
        said |= tomllib.loads(path.read_text())
    said |= _said_in(environment)
    said |= {name: value for name, value in flags.items() if value is not None}
    return check(replace(Settings(), **{name: _typed(name, value) for name, value in said.items()}))


def _said_in(environment: dict[str, str]) -> dict[str, str]:
    """Other variables may begin as ours do, the tests' among them; one that is nearly a setting is a slip."""
    said = {}
    for name, text in environment.items():
        key = name.removeprefix(_PREFIX).lower()
        if not name.startswith(_PREFIX) or name.startswith(_TESTS):
            continue
        if key in _kinds():
            said[key] = text
        elif near := get_close_matches(key, _kinds(), 1, _NEAR):
            raise Invalid("setting.unknown", f"There is no setting {name}. Did you mean {_PREFIX}{near[0].upper()}?")
    return said


def check(settings: Settings) -> Settings:
    if not settings.data:
        raise Invalid("setting.invalid", "data must name a directory.")
    for name in _ADDRESSES:
        if name == "listen" or getattr(settings, name):
            _check_address(name, getattr(settings, name))
    _check_tls(settings)
    _check_cpus(settings)
    check_underlay(settings.underlay)
    if settings.limit_model not in ("flat", "strict_two_level"):
        raise Invalid("setting.invalid", "limit_model must be flat or strict_two_level.")
    if settings.recovery not in RECOVERIES:
        raise Invalid("setting.invalid", f"recovery must be one of {', '.join(RECOVERIES)}.")
    if settings.container_isolation not in ISOLATIONS:
        raise Invalid("setting.invalid", f"container_isolation must be one of {', '.join(ISOLATIONS)}.")
    for name, least in _LEAST.items():
        if getattr(settings, name) < least:
            raise Invalid("setting.invalid", f"{name} cannot be below {least}.")
    if 0 < settings.password_days <= settings.password_min_days:
        raise Invalid("setting.invalid", "password_min_days must be below password_days, or none could be kept up.")
    try:
        re.compile(settings.password_regex)
    except re.error as error:
        raise Invalid("setting.invalid", f"password_regex is no regular expression: {error}.") from error
    try:
        IPv4Network(settings.external_cidr)
    except ValueError as error:
        raise Invalid("setting.invalid", f"external_cidr must be like 172.24.4.0/24: {error}.") from error
    _check_addresses(settings)
    _check_stores(settings)
    _check_physical(settings)
    _check_metal(settings)
    return settings


def _check_address(name: str, said: str) -> None:
    host, _, port = said.rpartition(":")
    if not host or not _PORT.fullmatch(port):
        raise Invalid("setting.invalid", f"{name} must be HOST:PORT, not {said!r}; 127.0.0.1:8774 is one.")
    if not 0 < int(port) <= _PORT_MAX:
        raise Invalid("setting.invalid", f"{name} must be HOST:PORT with a port from 1 to {_PORT_MAX}, not {port}.")


def _check_cpus(settings: Settings) -> None:
    found = {}
    for name in ("cpu_dedicated_set", "cpu_shared_set"):
        cpus = cpu_sets.parsed(getattr(settings, name))
        if cpus is None:
            raise Invalid("setting.invalid", f"{name} must be like 2-15,^8,18: not {getattr(settings, name)!r}.")
        found[name] = cpus
    if both := found["cpu_dedicated_set"] & found["cpu_shared_set"]:
        raise Invalid("setting.invalid", f"CPU {min(both)} is in cpu_dedicated_set and in cpu_shared_set.")


def _check_tls(settings: Settings) -> None:
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise Invalid("setting.invalid", "tls_certificate and tls_key go together: one of them is missing.")
    if settings.http_redirect and not settings.tls_certificate:
        raise Invalid("setting.invalid", "http_redirect leads to TLS, so it needs tls_certificate and tls_key.")
    if not settings.tls_certificate and not settings.plain_http and not _is_loopback(settings.listen_host):
        raise Invalid(
            "setting.plain",
            f"At {settings.listen} others can reach the API, and without TLS their passwords can be read on the way. "
            "Name a certificate (tls_certificate and tls_key; trivet certificate makes a pair), or say plain_http "
            "where a proxy in front has the TLS.",
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_stores(settings: Settings) -> None:
    entries = [entry for entry in settings.image_stores.split(",") if entry]
    for entry in entries:
        if not _STORE.fullmatch(entry) or entry.startswith(f"{LOCAL}="):
            raise Invalid(
                "setting.invalid",
                f"image_stores must be like fast=/srv/fast, and none of them {LOCAL!r}: not {entry!r}.",
            )
        if not Path(entry.partition("=")[2]).is_dir():
            raise Invalid(
                "setting.invalid", f"image_stores: {entry!r} is no folder; make it, or mount what is to be there."
            )
    if len(settings.stores) != len(entries) or len(set(settings.stores.values())) != len(entries):
        raise Invalid("setting.invalid", "image_stores names one of them, or one folder, twice.")
    if settings.image_default_store not in ("", LOCAL, *settings.stores):
        raise Invalid("setting.invalid", "image_default_store must be one of image_stores.")


def _check_physical(settings: Settings) -> None:
    entries = [entry for entry in settings.physical_networks.split(",") if entry]
    for entry in entries:
        if not _PHYSICAL.fullmatch(entry) or entry.partition(":")[0] == PUBLIC:
            raise Invalid(
                "setting.invalid",
                f"physical_networks must be like lab:eth1,wan:eth2, and none of them {PUBLIC!r}: not {entry!r}.",
            )
    if len(settings.physical) != len(entries) or len(set(settings.physical.values())) != len(entries):
        raise Invalid("setting.invalid", "physical_networks names one of them, or one interface, twice.")


def _check_metal(settings: Settings) -> None:
    if not settings.metal:
        return
    for name in ("metal_door", "metal_media"):
        if (said := getattr(settings, name)) and not _DOOR.fullmatch(said):
            raise Invalid("setting.invalid", f"{name} must be like 10.0.100.1:6385: not {said!r}.")
    _check_metal_dhcp(settings)
    if settings.metal_vlans:
        _check_fabric(settings)


def _check_metal_dhcp(settings: Settings) -> None:
    if not settings.metal_dhcp:
        return
    if not settings.metal_door:
        raise Invalid("setting.invalid", "metal_dhcp needs metal_door, for where the deploy network is.")
    try:
        first, last = (IPv4Address(text) for text in settings.metal_dhcp.split("-"))
    except ValueError:
        first, last = IPv4Address(1), IPv4Address(0)
    if first > last:
        raise Invalid(
            "setting.invalid", f"metal_dhcp must be like 10.0.100.50-10.0.100.99: not {settings.metal_dhcp!r}."
        )


def _check_fabric(settings: Settings) -> None:
    if not _VLANS.fullmatch(settings.metal_vlans) or settings.fabric[0] not in settings.physical:
        raise Invalid(
            "setting.invalid",
            f"metal_vlans must be like rack:2000-2999, of one of physical_networks: not {settings.metal_vlans!r}.",
        )
    _, first, last = settings.fabric
    ours = (settings.metal_deploy_vlan, settings.metal_parking_vlan)
    if not 1 <= first <= last <= _VLAN_MAX or any(first <= vlan <= last for vlan in ours):
        raise Invalid("setting.invalid", "metal_vlans are from 1 to 4094, and neither the deploy nor the parking VLAN.")
    if not all(1 <= vlan <= _VLAN_MAX for vlan in ours) or ours[0] == ours[1]:
        raise Invalid("setting.invalid", "metal_deploy_vlan and metal_parking_vlan are two VLANs from 1 to 4094.")
    said = settings.metal_switches
    if not all(_SWITCH.fullmatch(entry) for entry in said.split(",")):
        raise Invalid("setting.invalid", f"metal_switches must be like sw1=tcp:10.0.0.2:6640: not {said!r}.")
    if not settings.metal_door:
        raise Invalid("setting.invalid", "metal_vlans needs metal_door, where machines call while they are deployed.")


def check_underlay(text: str) -> str:
    """As it is said to the cloud's own host, and to one that joins it."""
    with suppress(ValueError):
        if not text or (_UNDERLAY.fullmatch(text) and ip_interface(text.partition("@")[0])):
            return text
    raise Invalid("setting.invalid", f"underlay must be like 10.20.0.1/24@eth1: not {text!r}.")


def _check_addresses(settings: Settings) -> None:
    if "://" in settings.database and not settings.database.startswith(_DATABASES):
        known = ", ".join(_DATABASES)
        raise Invalid("setting.invalid", f"database must be the path of a file for SQLite, or begin with {known}.")
    if settings.public_url and not settings.public_url.startswith(("http://", "https://")):
        raise Invalid(
            "setting.invalid", f"public_url must begin with http:// or https://, not {settings.public_url!r}."
        )
    try:
        urlsplit(settings.database).port  # noqa: B018 - it is read only now
    except ValueError as error:
        raise Invalid("setting.invalid", f"database is no URL: {error}.") from error


def _kinds() -> dict[str, type]:
    hints = get_type_hints(Settings)
    return {entry.name: hints[entry.name] for entry in fields(Settings)}


def _typed(name: str, value: Any) -> Any:
    kind = _kinds().get(name)
    if kind is None:
        near = get_close_matches(name, _kinds(), 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise Invalid("setting.unknown", f"There is no setting {name}.{hint}")
    if kind is bool and isinstance(value, str):
        if value.lower() not in ("1", "0", "true", "false", "yes", "no"):
            raise Invalid("setting.invalid", f"{name} must be true or false, not {value!r}.")
        return value.lower() in ("1", "true", "yes")
    if kind is int and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    # A TOML file has kinds of its own: 1.5 is not 1 here, nor true.
    if type(value) is not kind:
        wanted = {int: "a whole number", bool: "true or false"}.get(kind, "text")
        raise Invalid("setting.invalid", f"{name} must be {wanted}, not {value!r}.")
    return value
