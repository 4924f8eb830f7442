"""In which states a container may be done what to: one place, in words that clients know."""

from trivet.domain.servers.containers.containers import status_of
from trivet.domain.servers.servers import Server
from trivet.errors import Conflict

_LIVE = ("Created", "Running", "Stopped", "Paused")
_VALID: dict[str, tuple[str, ...]] = {
    "commit": ("Running", "Stopped", "Paused"),
    "delete": ("Created", "Error", "Stopped", "Deleting"),
    "delete_force": ("Created", "Creating", "Error", "Running", "Stopped", "Unknown", "Restarting", "Rebuilding",
                     "Deleting"),
    "delete_after_stop": ("Running", "Created", "Error", "Stopped", "Deleting"),
    "start": ("Created", "Stopped", "Error"),
    "stop": ("Running",),
    "reboot": ("Created", "Running", "Stopped", "Error"),
    "rebuild": ("Created", "Running", "Stopped", "Error"),
    "pause": ("Running",),
    "unpause": ("Paused",),
    "kill": ("Running",),
    "execute": ("Running",),
    "execute_resize": ("Running",),
    "update": _LIVE,
    "attach": ("Running",),
    "resize": ("Running",),
    "top": ("Running",),
    "get_archive": _LIVE,
    "put_archive": _LIVE,
    "logs": ("Created", "Error", "Paused", "Running", "Stopped", "Unknown"),
    "stats": ("Running",),
    "add_security_group": _LIVE,
    "remove_security_group": _LIVE,
    "resize_container": _LIVE,
}  # fmt: skip


def check(server: Server, action: str) -> None:
    status = status_of(server)
    if status not in _VALID[action]:
        raise Conflict("container.state", f"Cannot {action} container {server.id} in {status} state")
