"""Doors: which modules of a room the rest of the house may import.

A room's own people come in anywhere: its family (the dialect, the controllers and the rooms of domain that speak of the
same nouns), and the few files that put all rooms together. Everybody else uses a door. Each room's doors are listed
here. The list may become shorter: a door that nobody uses fails, and so does a new one until somebody decides it.
"""

import pytest
from tests.house.house import PATHS, imports

FAMILIES = {
    "domain.alarms": ("api.alarms", "api.vnffm", "controllers.alarms"),
    "domain.causes": ("api.alarms", "api.fault_reports", "api.topology", "controllers.causes"),
    "domain.health": ("api.health", "controllers.health"),
    "domain.host_link": ("api.host_link", "agent", "hosting"),
    "domain.hosts": ("api.compute", "controllers.hosts", "domain.health"),
    "domain.identity": ("api.identity", "controllers.signing_keys"),
    "domain.images": ("api.image", "controllers.images"),
    "domain.key_manager": ("api.key_manager",),
    "domain.limits": ("api.identity.limits",),
    "domain.network": ("api.network", "controllers.network"),
    "domain.objects": ("api.object", "api.s3", "controllers.objects"),
    "domain.placement": ("api.placement",),
    "domain.registry": ("api.registry", "controllers.registry"),
    "domain.recovery": ("api.instance_ha", "controllers.health"),
    "domain.servers": ("api.compute", "api.container", "controllers.servers", "domain.recovery"),
    "domain.volumes": ("api.volume", "controllers.volumes"),
    "domain.watch": ("api.monitor",),
}
"""room of domain -> who else speaks of its nouns."""

KNOW_EVERY_ROOM = {
    "parts": "what is handed around",
    "process": "what puts the parts together",
    "cli.agent": "what puts together the process of an agent elsewhere",
    "docs": "the reference is written out of all of it",
    "domain.removal": "the end of a project reaches all that it had",
    "domain.seeds": "what a cloud begins with",
    "domain.upgrade_check": "whether a program may take over all of it",
}

DOORS: dict[str, set[str]] = {
    "agent": {"agent", "console_answers", "device_places", "engines", "halting", "http_link", "metadata", "scratch"},
    "api.alarms": set(),
    "api.baremetal": set(),
    "api.compute": set(),
    "api.console": set(),
    "api.container": set(),
    "api.fault_reports": set(),
    "api.health": set(),
    "api.host_link": set(),
    "api.identity": set(),
    "api.image": set(),
    "api.instance_ha": set(),
    "api.key_manager": set(),
    "api.monitor": {"monitoring"},
    "api.network": set(),
    "api.object": {"conditions", "incoming", "info", "service", "wire"},
    "api.object_info": set(),
    "api.placement": set(),
    "api.registry": set(),
    "api.s3": set(),
    "api.topology": set(),
    "api.vnffm": set(),
    "api.volume": set(),
    "cli": set(),
    "controllers": set(),
    "domain.alarms": {"alarms", "words"},
    "domain.causes": set(),
    "domain.health": {"failures", "probes"},
    "domain.host_link": set(),
    "domain.hosts": {
        "admission", "approvals", "authority", "capacity", "cards", "credentials", "hardware", "hosts",
        "overlay", "zones"},
    "domain.identity": {
        "catalog.regions", "catalog.services", "delegation.access_rules", "delegation.application_credentials",
        "delegation.ec2",
        "delegation.oauth", "delegation.trusts",
        "login.delegated", "login.methods", "login.proven", "login.receipts", "login.scopes",
        "login.scoping",
        "people.naming", "people.projects", "people.users", "personas", "tokens.revocations", "tokens.signing_keys",
        "tokens.tokens",
    },
    "domain.images": {"content", "data", "images", "layered", "lists", "members", "signatures"},
    "domain.key_manager": {"access", "consumers", "rotation", "service_keys", "stored_secrets"},
    "domain.limits": {"limit_rules", "limits", "quota_classes", "quotas", "registered_limits", "user_limits"},
    "domain.network": {
        "addresses", "groups.security_group_rules", "groups.security_groups", "nets.networks", "nets.subnets",
        "ports.addresses", "ports.changes", "ports.ports", "ports.wishes", "rbac_policies",
        "routers.auto_allocated_topologies", "routers.floating_ips",
    },
    "domain.objects": {"acts", "containers", "content", "names", "objects", "scrub", "uploads"},
    "domain.placement": {"choosing", "claims", "resource_classes", "standard_traits", "supply"},
    "domain.recovery": set(),
    "domain.registry": set(),
    "domain.servers": {
        "console_output", "consoles", "containers.containers", "draining", "images", "metadata", "moved_disks",
        "moving", "orders", "servers", "shelving", "state", "topology.inside", "topology.places", "words",
    },
    "domain.volumes": {"acts", "attachments", "backends", "create", "limits", "snapshots", "types", "volumes"},
    "domain.watch": set(),
    "drivers.metal": {"cabling", "images", "ironic", "machines", "nodes", "wires"},
    "drivers.hardware": {"pci", "sysfs"},
    "drivers.switches": {"open_vswitch"},
    "drivers.ironic": {"config", "engine", "upstream"},
    "drivers.ovn": {"central.northbound", "chassis.wires", "engine", "ovsdb", "seats"},
    "drivers.podman": {"engine", "machines"},
    "drivers.qemu": {
        "complaints", "copy_job", "images", "layout", "machines", "options", "processes", "qmp", "turns",
    },
    "drivers.probes": {"echo", "power"},
    "drivers.qsd": {"volumes"},
    "drivers.redfish": set(),
    "drivers.sim": {"machines", "network", "volumes"},
    "gaps": {"probes", "register"},
    "hosting": {"simulated"},
    "lab": {"lab"},
    "serving": {"server"},
}  # fmt: skip
"""A QEMU storage daemon is one of QEMU's programs: `drivers.qsd` runs it with what `drivers.qemu` knows of them."""

EVERYWHERE = {"api.kit", "drivers.contracts", "store", "testing"}
"""Rooms that are made to be used whole: what dialects are made with, what drivers promise, the database."""


def inside(module: str, room: str) -> bool:
    return module == f"trivet.{room}" or module.startswith(f"trivet.{room}.")


def used_from_outside(room: str) -> dict[str, set[str]]:
    """door -> who uses it."""
    found: dict[str, set[str]] = {}
    own = (room, *FAMILIES.get(room, ()))
    for module in PATHS:
        if module.removeprefix("trivet.") in KNOW_EVERY_ROOM or any(inside(module, each) for each in own):
            continue
        for needed in imports(module):
            if needed in PATHS and inside(needed, room):
                found.setdefault(needed.removeprefix(f"trivet.{room}").removeprefix("."), set()).add(module)
    return found


@pytest.mark.parametrize("room", DOORS)
def test_a_room_is_entered_by_its_doors(room: str) -> None:
    used = used_from_outside(room)
    past = {module: sorted(users) for module, users in used.items() if module not in DOORS[room]}
    assert past == {}, f"only these modules of {room} are for everybody: {sorted(DOORS[room])}"
    assert DOORS[room] - used.keys() == set(), "nobody uses these doors any more: close them"


def test_every_room_says_which_doors_it_has() -> None:
    rooms = set()
    for module, path in PATHS.items():
        parts = module.split(".")[1:]
        if parts and path.name == "__init__.py":
            deep = parts[0] in ("api", "domain", "drivers")
            if len(parts) == 1 + deep:
                rooms.add(".".join(parts))
    assert sorted(rooms - DOORS.keys() - EVERYWHERE) == []
    assert sorted((DOORS.keys() | EVERYWHERE) - rooms) == []
