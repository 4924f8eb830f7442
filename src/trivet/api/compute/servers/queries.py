"""What clients ask of a list of servers, in nova's words, turned into ours.

Owners may filter by a few things, operators by all. What one may not use is left out in silence, as nova does;
what nobody knows is an error since 2.75.
"""

from trivet.api.compute import pages
from trivet.api.compute.servers.words import POWER_NAMES, states_of
from trivet.api.kit import lists
from trivet.api.kit.request import Request
from trivet.clock import parse_iso
from trivet.domain.numbers import whole_number
from trivet.domain.servers.search import SORTS, ServerQuery, State
from trivet.errors import Forbidden, Invalid
from trivet.store.where import Sort

_TRUE = ("1", "true", "yes", "on", "t", "y")
_FALSE = ("0", "false", "no", "off", "f", "n")

_ANYBODY = {
    "reservation_id": 0, "name": 0, "status": 0, "image": 0, "flavor": 0, "ip": 0, "changes-since": 0,
    "all_tenants": 0, "ip6": 2005, "tags": 2026, "tags-any": 2026, "not-tags": 2026, "not-tags-any": 2026,
    "changes-before": 2066, "locked": 2073, "availability_zone": 2083, "config_drive": 2083, "key_name": 2083,
    "created_at": 2083, "launched_at": 2083, "terminated_at": 2083, "power_state": 2083, "task_state": 2083,
    "vm_state": 2083, "progress": 2083, "user_id": 2083, "hostname": 2090,
}  # fmt: skip
"""Filter -> since which version everybody may use it."""
_OPERATORS = frozenset((
    "user_id", "project_id", "tenant_id", "launch_index", "image_ref", "kernel_id", "ramdisk_id", "hostname",
    "key_name", "power_state", "vm_state", "task_state", "host", "node", "launched_at", "terminated_at",
    "availability_zone", "display_name", "description", "display_description", "locked_by", "uuid",
    "root_device_name", "config_drive", "access_ip_v4", "access_ip_v6", "auto_disk_config", "progress",
    "soft_deleted", "deleted", "created_at",
))  # fmt: skip
_PAGING = frozenset(("limit", "marker", "sort_key", "sort_dir"))
_JOINED = frozenset((
    "block_device_mapping", "services", "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices",
))  # fmt: skip
_SORTS = {
    "access_ip_v4": "ipv4", "access_ip_v6": "ipv6", "auto_disk_config": "disk_config", "availability_zone": "zone",
    "config_drive": "config_drive", "created_at": "created", "display_description": "description",
    "display_name": "name", "host": "host", "hostname": "hostname", "image_ref": "image", "key_name": "key",
    "launch_index": "index", "launched_at": "launched", "locked": "locked", "node": "host", "power_state": "power",
    "project_id": "project", "task_state": "task", "terminated_at": "ended", "updated_at": "updated",
    "user_id": "user", "uuid": "id", "vm_state": "status",
}  # fmt: skip
_SORTS_OF_NOTHING = frozenset((
    "instance_type_id", "kernel_id", "locked_by", "progress", "ramdisk_id", "root_device_name",
))  # fmt: skip
_OLD_SORTS = frozenset((
    "architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted", "deleted_at",
    "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on", "locked", "memory_mb",
    "os_type", "reservation_id", "root_gb", "shutdown_terminate", "user_data", "vcpus", "vm_mode",
))  # fmt: skip
_EQUAL: dict[str, str] = {
    "reservation_id": "reservation_id", "user_id": "user_id", "uuid": "id", "vm_state": "status",
    "task_state": "task", "availability_zone": "zone", "key_name": "key_name", "access_ip_v4": "access_ipv4",
    "access_ip_v6": "access_ipv6", "auto_disk_config": "disk_config",
}  # fmt: skip
_LIKE: dict[str, str] = {
    "name": "name", "display_name": "name", "hostname": "hostname", "description": "description",
    "display_description": "description",
}  # fmt: skip


def query_of(request: Request) -> ServerQuery | None:
    """None: nothing can be found."""
    asked = _allowed(request)
    project_id, asked = _whose(request, asked)
    states, none = _states(request)
    if none:
        return None
    since, before = _times(asked)
    deleted = _deleted(asked, states, since, before)
    if states is not None and deleted and not request.caller.is_operator:
        raise Forbidden("policy.forbidden", "Only administrators may list deleted instances")
    equal, like = _columns(asked)
    tags: dict[str, tuple[str, ...]] = {
        name: tuple(asked[name].split(","))
        for name in ("tags", "tags-any", "not-tags", "not-tags-any")
        if name in asked
    }
    return ServerQuery(
        project_id=project_id,
        equal=equal,
        like=like,
        states=states,
        flavor_id=asked["flavor"].rpartition("/")[2] if "flavor" in asked else None,
        host_name=asked.get("host", asked.get("node")),
        addresses=tuple(asked[name] for name in ("ip", "ip6") if name in asked),
        tags=tags,
        changed_since=since,
        changed_before=before,
        deleted=deleted,
        soft_deleted=_soft_deleted(asked, states),
    )


def _allowed(request: Request) -> dict[str, str]:
    asked: dict[str, str] = {}
    for name, value in request.query:
        if name in _PAGING:
            continue
        if name in _JOINED or name.startswith("_"):
            raise Invalid("filter.unknown", f"Invalid filter field: {name[:64]}.")
        since = _ANYBODY.get(name)
        if since is None and name not in _OPERATORS:
            if request.version >= 2075:
                raise Invalid("filter.unknown", f"Additional properties are not allowed ({name[:64]!r} was unexpected)")
            continue
        if request.caller.is_operator or (since is not None and request.version >= since):
            asked[name] = value
    return asked


def _whose(request: Request, asked: dict[str, str]) -> tuple[str | None, dict[str, str]]:
    caller = request.caller
    said = asked.pop("all_tenants", None)
    everybody = said is not None and _truth("all_tenants", said or "1")
    if everybody and not (caller.is_operator or caller.system):
        raise Forbidden("policy.forbidden", "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants.")
    wanted = asked.pop("project_id", None) or asked.pop("tenant_id", None)
    asked.pop("tenant_id", None)
    if everybody:
        return wanted, asked
    if caller.project_id is None:
        # A token of the system sees everything; one of a domain owns no servers.
        return (None if caller.system else ""), asked
    return caller.project_id, asked


def _states(request: Request) -> tuple[tuple[State, ...] | None, bool]:
    words = request.asked_all("status")
    if not words:
        return None, False
    states = states_of(words)
    if not states and request.version >= 2038:
        raise Invalid("filter.invalid", "Invalid status value")
    return states, not states


def _times(asked: dict[str, str]) -> tuple[float | None, float | None]:
    since, before = (_time(asked, name) for name in ("changes-since", "changes-before"))
    if since is not None and before is not None and before < since:
        raise Invalid("filter.invalid", "The value of changes-since must be less than or equal to changes-before.")
    return since, before


def _time(asked: dict[str, str], name: str) -> float | None:
    if name not in asked:
        return None
    try:
        return parse_iso(asked[name].replace(" ", "+"))
    except ValueError as error:
        raise Invalid("filter.invalid", f"Invalid filter field: {name}.") from error


def _deleted(
    asked: dict[str, str], states: tuple[State, ...] | None, since: float | None, before: float | None
) -> bool | None:
    if states is not None and {state.status for state in states} == {"deleted"}:
        return True
    if "deleted" in asked:
        return asked["deleted"].lower() in _TRUE
    return None if since is not None or before is not None else False


def _soft_deleted(asked: dict[str, str], states: tuple[State, ...] | None) -> bool:
    """In no list, unless it is just them that were asked for."""
    said = asked.get("soft_deleted")
    by_status = states is not None and any(state.status == "soft-delete" for state in states)
    return by_status or asked.get("vm_state") == "soft-delete" or (said is not None and said.lower() in _TRUE)


def _columns(asked: dict[str, str]) -> tuple[dict[str, str | int | None], dict[str, str]]:
    equal: dict[str, str | int | None] = {column: asked[name] for name, column in _EQUAL.items() if name in asked}
    like = {column: asked[name] for name, column in _LIKE.items() if name in asked}
    for name in ("image", "image_ref"):
        if name in asked:
            equal["image_id"] = asked[name].rpartition("/")[2]
    for name in ("locked", "config_drive"):
        if name in asked:
            equal[name] = int(_truth(name, asked[name]))
    if asked.get("task_state", "").lower() in ("none", "null") and "task_state" in asked:
        equal["task"] = None
    if "power_state" in asked:
        equal["power"] = POWER_NAMES.get(_number("power_state", asked["power_state"]), "unknown")
    if "launch_index" in asked:
        equal["launch_index"] = _number("launch_index", asked["launch_index"])
    return equal, like


def sort_of(request: Request) -> Sort:
    """By what nobody may sort any more, or never could here, nothing is sorted; since 2.75 the former is refused."""
    keys: dict[str, str | None] = dict.fromkeys(_SORTS_OF_NOTHING)
    keys |= {key: SORTS[word] for key, word in _SORTS.items()}
    if not request.caller.is_operator:
        keys |= {"host": None, "node": None}
    if request.version < 2073:
        keys["locked"] = None
    if request.version < 2075:
        keys |= dict.fromkeys(_OLD_SORTS - {"locked"})
    return lists.sort_of(request, pages.SORTING, keys)


def _number(name: str, text: str) -> int:
    number = whole_number(text)
    if number is None:
        raise Invalid("query.invalid", f"Invalid input for query parameters {name}. Value: {text[:64]!r}.")
    return number


def _truth(name: str, text: str) -> bool:
    low = text.lower()
    if low not in (*_TRUE, *_FALSE):
        raise Invalid("query.invalid", f"Invalid value '{text[:64]}' for {name}: it must be true or false.")
    return low in _TRUE
