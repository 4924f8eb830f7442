"""Quotas in nova's words: what each is called here, and until which version it is shown."""

from typing import Any

from trivet.api.kit.request import Request
from trivet.domain.limits import limits, quotas, user_limits
from trivet.domain.servers import usage
from trivet.store.tx import Tx

NAMES = {
    "instances": "servers",
    "cores": "class:VCPU",
    "ram": "class:MEMORY_MB",
    "metadata_items": "server_metadata_items",
    "key_pairs": "server_key_pairs",
    "server_groups": "server_groups",
    "server_group_members": "server_group_members",
    "injected_files": "server_injected_files",
    "injected_file_content_bytes": "server_injected_file_content_bytes",
    "injected_file_path_bytes": "server_injected_file_path_bytes",
    "fixed_ips": "server_fixed_ips",
    "floating_ips": "floatingip",
    "security_groups": "security_group",
    "security_group_rules": "security_group_rule",
}
"""Theirs -> ours. Fixed IPs are a number that is kept for them and binds nothing, as nova's has not since neutron."""
_FILES = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
_NETWORK = {"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}


def names(version: int, *, network_until: int = 2035) -> list[str]:
    return [
        name
        for name in NAMES
        if not (name in _FILES and version >= 2057) and not (name in _NETWORK and version > network_until)
    ]


async def limits_of(tx: Tx, project_id: str, user_id: str | None = None) -> dict[str, int]:
    ours = await limits.limits_of(tx, project_id)
    if user_id is not None:
        ours |= await user_limits.limits_of(tx, project_id, user_id)
    return {name: ours[our] for name, our in NAMES.items()}


async def metadata_most(request: Request) -> int:
    caller = request.caller
    return await limits.limit_of(request.tx, caller.project_id or "", "server_metadata_items", caller.user_id)


async def used_of(tx: Tx, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """Key pairs, members and metadata are counted elsewhere (by user, group, server)."""
    ours = await quotas.used_all(tx, project_id)
    if user_id is not None:
        ours |= await usage.taken_by_user(tx, project_id, user_id)
    uncounted = _FILES | {"key_pairs", "server_group_members", "metadata_items", "fixed_ips"}
    return {name: 0 if name in uncounted else ours.get(our, 0) for name, our in NAMES.items()}


def shown(version: int, values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in names(version)}
