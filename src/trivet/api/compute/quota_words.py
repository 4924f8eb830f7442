"""Quotas in nova's words: what each is called here, and until which version it is shown."""

from typing import Any

from trivet.domain import limits, quotas
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
    "fixed_ips": "",
    "floating_ips": "floatingip",
    "security_groups": "security_group",
    "security_group_rules": "security_group_rule",
}
"""Theirs -> ours; fixed IPs are not limited."""
_FIXED = {
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
    "fixed_ips": -1,
}
_FILES = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
_NETWORK = {"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}


def names(version: int, *, network_until: int = 2035) -> list[str]:
    return [
        name
        for name in NAMES
        if not (name in _FILES and version >= 2057) and not (name in _NETWORK and version > network_until)
    ]


async def limits_of(tx: Tx, project_id: str) -> dict[str, int]:
    ours = await limits.limits_of(tx, project_id)
    return {name: ours.get(our, _FIXED.get(name, -1)) for name, our in NAMES.items()}


async def used_of(tx: Tx, project_id: str) -> dict[str, int]:
    """Key pairs, members and metadata are counted elsewhere (by user, group, server)."""
    ours = await quotas.used_all(tx, project_id)
    uncounted = _FILES | {"key_pairs", "server_group_members", "metadata_items", "fixed_ips"}
    return {name: 0 if name in uncounted else ours.get(our, 0) for name, our in NAMES.items()}


def shown(version: int, values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in names(version)}
