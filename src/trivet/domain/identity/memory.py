"""The memory of a process: what identity has read and put together before (role names, catalogs, token bodies).

Whatever identity writes empties it, in this process at once and in the others when they hear of it through
the log. A value is kept only if nothing was written since its reading began: whoever reads takes the
generation first.
"""

from typing import Any

from trivet.store.tx import Change, Tx

_KEPT_MAX = 5_000


class IdentityMemory:
    def __init__(self) -> None:
        self.generation = 0
        self.heard_to = 0
        """What the log says up to here is told to it: nothing that it keeps is older."""
        self._kept: dict[object, Any] = {}

    def get(self, key: object) -> Any:
        return self._kept.get(key)

    def keep(self, key: object, value: object, generation: int) -> None:
        if generation != self.generation:
            return
        if len(self._kept) >= _KEPT_MAX:
            self._kept.clear()
        self._kept[key] = value

    def forget(self) -> None:
        self.generation += 1
        self._kept.clear()


def note(tx: Tx, noun: str, id: str) -> None:
    """For rows without a record of their own: tell the log, so that every process forgets what it remembers."""
    tx.note(Change(noun=noun, id=id, verb="updated", revision=1))
