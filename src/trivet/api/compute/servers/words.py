"""Nova's words for what a server is doing: status from state and task, and the way back for filters."""

from trivet.domain.servers.search import State
from trivet.domain.servers.servers import Server

_DEFAULT = {
    "building": "BUILD",
    "active": "ACTIVE",
    "stopped": "SHUTOFF",
    "paused": "PAUSED",
    "suspended": "SUSPENDED",
    "rescued": "RESCUE",
    "resized": "VERIFY_RESIZE",
    "shelved": "SHELVED",
    "shelved_offloaded": "SHELVED_OFFLOADED",
    "error": "ERROR",
    "soft-delete": "SOFT_DELETED",
    "deleted": "DELETED",
}
_REBUILD = {"rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD"}
_RESIZE = {
    "resize_prep": "RESIZE",
    "resize_migrating": "RESIZE",
    "resize_migrated": "RESIZE",
    "resize_finish": "RESIZE",
}
_BY_TASK: dict[str, dict[str, str]] = {
    "active": {
        "rebooting": "REBOOT",
        "reboot_pending": "REBOOT",
        "reboot_started": "REBOOT",
        "rebooting_hard": "HARD_REBOOT",
        "reboot_pending_hard": "HARD_REBOOT",
        "reboot_started_hard": "HARD_REBOOT",
        "updating_password": "PASSWORD",
        "migrating": "MIGRATING",
        **_REBUILD,
        **_RESIZE,
    },
    "stopped": {**_REBUILD, **_RESIZE},
    "resized": {"resize_reverting": "REVERT_RESIZE"},
    "paused": {"migrating": "MIGRATING"},
    "error": _REBUILD,
}
_NONE: dict[str, str] = {}

POWER = {"none": 0, "running": 1, "paused": 3, "stopped": 4, "crashed": 6, "suspended": 7}
POWER_NAMES = {number: name for name, number in POWER.items()}


def status_of(server: Server) -> str:
    word = _BY_TASK.get(server.status, _NONE).get(server.task) if server.task else None
    return word or _DEFAULT[server.status]


def states_of(words: list[str]) -> tuple[State, ...]:
    """The states that are shown as one of `words`; empty if nova has no such words."""
    wanted = {word.upper() for word in words}
    found = []
    for status, plain in _DEFAULT.items():
        by_task = _BY_TASK.get(status, _NONE)
        tasks = tuple(task for task, word in by_task.items() if word in wanted)
        if plain in wanted:
            found.append(State(status, not_tasks=tuple(task for task in by_task if task not in tasks)))
        elif tasks:
            found.append(State(status, tasks=tasks))
    return tuple(found)
