"""Cores: which CPUs of one node a machine gets for itself, by how it wants to share cores with others.

`isolate`: every one of its CPUs has a core whole, and the core's other threads run nothing.
`require`: its CPUs are on threads of the same cores; an odd one is left over.
`prefer`: as many as there are threads on each core if that can be, else whatever is free.
"""

from collections.abc import Sequence

import msgspec

from trivet.domain.servers.topology.asks import Threads


class CorePins(msgspec.Struct, frozen=True):
    pins: dict[int, int] = {}
    """CPU of the machine -> CPU of the host."""
    reserved: tuple[int, ...] = ()
    """Threads that stay idle."""
    emulator: tuple[int, ...] = ()
    threads: int = 1
    """How many of the machine's CPUs share each core."""


def pinned_on(
    free: Sequence[set[int]], cores: Sequence[Sequence[int]], threads: Threads, guest: Sequence[int], emulator: int
) -> CorePins | None:
    """`free`: what nobody has of each of `cores`. `emulator`: how many more CPUs are for the machine's engine. None if
    there is no room."""
    if not guest and not emulator:
        return CorePins()
    if threads == "isolate":
        return _isolated(free, cores, guest, emulator)
    for width in range(max(map(len, free), default=0), 1, -1):
        found = _packed([sorted(core) for core in free if len(core) >= width], free, guest, width, emulator)
        if found is not None:
            return found
    if threads == "require":
        return None
    # Cores of which others have a part already come first, so that whole ones stay for those who need them.
    single = [[cpu] for core in sorted(free, key=len) for cpu in sorted(core)]
    return _packed(single, free, guest, 1, emulator)


def _packed(
    usable: Sequence[Sequence[int]], free: Sequence[set[int]], guest: Sequence[int], width: int, emulator: int
) -> CorePins | None:
    """Neighbours among the machine's CPUs on threads of one core, `width` on each."""
    room = [cpu for core in usable for cpu in core[:width]]
    if len(room) < len(guest):
        return None
    pins = dict(zip(guest, room, strict=False))
    left = sorted(set().union(*free) - set(pins.values()))
    if len(left) < emulator:
        return None
    whole = len(guest) % width == 0
    return CorePins(pins=pins, emulator=tuple(left[:emulator]), threads=width if whole else 1)


def _isolated(
    free: Sequence[set[int]], cores: Sequence[Sequence[int]], guest: Sequence[int], emulator: int
) -> CorePins | None:
    whole = [sorted(core) for core, all_of_it in zip(free, cores, strict=True) if len(core) == len(all_of_it)]
    if len(whole) < len(guest) + emulator:
        return None
    mine, engine = whole[: len(guest)], whole[len(guest) : len(guest) + emulator]
    return CorePins(
        pins={cpu: core[0] for cpu, core in zip(guest, mine, strict=True)},
        reserved=tuple(cpu for core in (*mine, *engine) for cpu in core[1:]),
        emulator=tuple(core[0] for core in engine),
    )
