"""What can be done to a server of each kind: one table, from which come the refusals and the page in the docs.

Every action is here for every kind: it works, or there is a reason that a user can read.
"""

import msgspec

from trivet.domain.servers.kinds import KINDS
from trivet.domain.servers.words import Kind

WORKS = ""

_NO_FREEZE = "a physical machine has no hypervisor under it that could freeze it or save its memory; stop it."
_NO_OTHER_MACHINE = "another flavor is another machine, and what is on its disks is not moved there yet."
_NO_READING = "the disks of a physical machine are not read into an image yet."
_NO_METAL_RESCUE = "a physical machine boots its own disk only, so far."
_NO_METAL_AGENT = "no agent of ours is in a physical machine; use keys, or a password in its user data."
_INSIDE = "its disks are inside the machine that failed."
_NO_RECORD = "the console of a physical machine is neither recorded nor carried yet."
_NO_METAL_DISKS = "volumes are not carried to physical machines yet."
_NO_SHARES = "this release has no shared file systems yet."
_NO_LIVE = "this release moves no server while it runs; `migrate` moves it stopped."
_IS_ITS_HOST = "a physical machine is its own host; its disks are inside."
_NO_BOOT = (
    "a container boots no disk, so there is none that could keep it from booting; mend its files from a shell in its "
    "console, or make an image of it and look into that."
)
_NO_CHECKPOINT = "a container's memory is not saved to disk; pause it, or stop it."
_NO_SCREEN = "a container has no screen; its serial console is a shell inside it."
_NO_KERNEL = "a container has no kernel of its own that could dump."
_NO_AGENT = "a container has no agent that would set a password; open a shell in its console, or use keys."
_NO_SPICE = "consoles are served by VNC and serial port; SPICE, RDP and MKS are other hypervisors'."


class Action(msgspec.Struct, frozen=True):
    name: str
    """The action's name in the API."""
    does: str
    vm: str = WORKS
    container: str = WORKS
    metal: str = WORKS

    def verdict(self, kind: Kind) -> str:
        return {"vm": self.vm, "container": self.container, "metal": self.metal}[kind]


def _never(name: str, does: str, why: str) -> Action:
    return Action(name, does, vm=why, container=why, metal=why)


ACTIONS: tuple[Action, ...] = (
    Action("create", "makes it, with ports, keys, user data and metadata"),
    Action("delete", "removes it and all that it holds; for a while it can be brought back, if the operator says so"),
    Action("forceDelete", "removes it for good, at once"),
    Action("restore", "brings back a server that was deleted, within its time"),
    Action("os-start", "boots it"),
    Action("os-stop", "asks it to stop, waits, then cuts the power"),
    Action("reboot SOFT", "stops it gently and boots it"),
    Action("reboot HARD", "cuts the power and boots it"),
    Action("pause", "freezes it in memory", metal=_NO_FREEZE),
    Action("unpause", "goes on after a pause", metal=_NO_FREEZE),
    Action("suspend", "saves its memory to disk", container=_NO_CHECKPOINT, metal=_NO_FREEZE),
    Action("resume", "goes on after a suspend", container=_NO_CHECKPOINT, metal=_NO_FREEZE),
    Action("lock", "refuses everybody but operators"),
    Action("unlock", "ends the lock"),
    Action("rebuild", "makes its root disk, or the volume in its place, anew from an image; ports and id stay"),
    Action("resize", "gives it another flavor, on its host or on one that has room for it", metal=_NO_OTHER_MACHINE),
    Action("confirmResize", "keeps the new flavor", metal=_NO_OTHER_MACHINE),
    Action("revertResize", "goes back to the old flavor", metal=_NO_OTHER_MACHINE),
    Action("createImage", "makes an image of its root disk", metal=_NO_READING),
    Action("createBackup", "makes an image and drops the oldest ones", metal=_NO_READING),
    Action("shelve", "stops it and puts it away as an image of its disk", metal=_NO_READING),
    Action("shelveOffload", "frees the host of a shelved server", metal=_NO_READING),
    Action("unshelve", "boots a shelved server, on any host that has room", metal=_NO_READING),
    Action(
        "rescue", "boots it from another image, its own disks beside it", container=_NO_BOOT, metal=_NO_METAL_RESCUE
    ),
    Action(
        "unrescue",
        "boots it from its own disk again",
        container="a container cannot be in rescue.",
        metal=_NO_METAL_RESCUE,
    ),
    Action(
        "changePassword", "sets a password in a guest whose agent answers", container=_NO_AGENT, metal=_NO_METAL_AGENT
    ),
    Action("os-resetState", "the operator says what state it is in"),
    Action("resetNetwork", "plugs its ports in again; the guest learns the rest from DHCP and metadata"),
    Action("injectNetworkInfo", "the same as resetNetwork"),
    Action("addSecurityGroup", "puts its ports into a group"),
    Action("removeSecurityGroup", "takes its ports out of a group"),
    Action("addFixedIp", "gives its port one more address"),
    Action("removeFixedIp", "takes an address away"),
    Action("addFloatingIp", "ties a floating IP to it"),
    Action("removeFloatingIp", "unties a floating IP"),
    Action("migrate", "moves it to another host, stopped, with its disks", metal=_IS_ITS_HOST),
    _never("os-migrateLive", "moves it to another host, running", _NO_LIVE),
    Action("evacuate", "makes it again on another host, when its own has failed", metal=_INSIDE),
    Action("trigger_crash_dump", "interrupts its kernel, so that it dumps", container=_NO_KERNEL),
    Action("os-getConsoleOutput", "the newest output of its console", metal=_NO_RECORD),
    Action("console vnc", "its screen in a browser", container=_NO_SCREEN, metal=_NO_RECORD),
    Action("console serial", "its serial port; of a container, a shell inside it", metal=_NO_RECORD),
    _never("console spice", "its screen by SPICE", _NO_SPICE),
    _never("console rdp", "its screen by RDP", _NO_SPICE),
    _never("console mks", "its screen by MKS", _NO_SPICE),
    Action("attach interface", "gives it one more port"),
    Action("detach interface", "takes a port away"),
    Action("attach volume", "gives it a volume", metal=_NO_METAL_DISKS),
    Action("detach volume", "takes a volume away", metal=_NO_METAL_DISKS),
    _never("attach share", "gives it a shared file system", _NO_SHARES),
    _never("detach share", "takes a shared file system away", _NO_SHARES),
    Action("update", "changes its name, description, addresses and hostname"),
    Action("metadata", "reads and writes its metadata"),
    Action("tags", "reads and writes its tags"),
    Action("instance actions", "what was done to it, by whom, and how it ended"),
    Action("diagnostics", "what is known of its engine"),
)

_BY_NAME = {action.name: action for action in ACTIONS}


def reason_against(action: str, kind: Kind) -> str | None:
    """Why the action is not applicable to the kind; None if it works."""
    return _BY_NAME[action].verdict(kind) or None


def as_page() -> str:
    """docs/reference/actions-by-kind.md."""
    lines = [
        "# Actions by kind",
        "",
        "Generated from `src/trivet/domain/servers/action_table.py`; a test keeps it fresh.",
        "",
        "A server's kind comes from its image and flavor. An action that is not applicable is refused with 409 and the",
        "code `action.not_applicable`, a type of console with 400 and `console.not_applicable`, in the words of this",
        "table.",
        "",
        f"| action | what it does | {' | '.join(KINDS)} |",
        f"|---|---|{'---|' * len(KINDS)}",
    ]
    notes: dict[str, int] = {}
    for action in ACTIONS:
        cells = []
        for kind in KINDS:
            reason = action.verdict(kind)
            cells.append("works" if not reason else f"no ({notes.setdefault(reason, len(notes) + 1)})")
        lines.append(f"| `{action.name}` | {action.does} | {' | '.join(cells)} |")
    lines += ["", "Not applicable, because:", ""]
    lines += [f"{number}. {reason[0].upper()}{reason[1:]}" for reason, number in notes.items()]
    return "\n".join(lines) + "\n"
