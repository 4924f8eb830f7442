"""What settings may say: each alone, and together. What is wrong is said in words that name the setting."""

import re
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_interface
from pathlib import Path
from urllib.parse import urlsplit

from trivet.drivers.contracts import cpu_sets
from trivet.errors import Invalid
from trivet.settings import ISOLATIONS, LOCAL, POSTGRESQL, PUBLIC, RECOVERIES, Settings

_PHYSICAL = re.compile(r"[A-Za-z0-9_-]{1,63}:[A-Za-z0-9_.@-]{1,15}")
_VLANS = re.compile(r"[A-Za-z0-9_-]{1,63}:[0-9]{1,4}-[0-9]{1,4}")
_VLAN_MAX = 4094
_DOOR = re.compile(r"(\[[0-9a-fA-F:]{2,45}\]|[0-9.]{7,15}):[0-9]{1,5}")
_STORE = re.compile(r"[a-z0-9_]{1,32}=/[^,]{1,255}")
_SWITCH = re.compile(r"[^=,]{1,63}=(tcp:[^,]{1,253}:[0-9]{1,5}|unix:[^,]{1,200})")
_UNDERLAY = re.compile(r"[0-9a-fA-F.:]{2,45}/[0-9]{1,3}@[A-Za-z0-9_.-]{1,15}")
_DATABASES = (*POSTGRESQL, "sqlite:///")
_PORT = re.compile("[0-9]{1,9}")
_PORT_MAX = 65535
_ADDRESSES = ("listen", "http_redirect", "metrics_listen", "s3_listen")
_LEAST = {
    "workers": 1, "audit_days": 1, "sim_hosts": 0, "token_s": 1, "lockout_tries": 0, "lockout_s": 0,
    "password_history": 0, "password_days": 0, "password_min_days": 0, "shelved_offload_s": -1,
    "reclaim_servers_s": 0, "reclaim_volumes_s": 0,
}  # fmt: skip


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
