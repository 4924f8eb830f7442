"""Pulse: which hosts are silent, told by counting and never by the time of day.

One process at a time (controllers/hosts.py) counts ticks in the database; a sign of life notes the count, and a host
that missed six is silent. While the database is away or everybody is frozen nothing is counted, and a clock that jumps
means nothing. A silence that all hosts share is nobody's death: the beat, by which each is judged, stands still, and
after a while it is said that none is heard. As soon as one is heard again the others have as long as ever.
"""

from trivet.store.tx import Tx

TICK_S = 5.0
_SILENT_BEATS = 6
"""Half a minute; signs of life come every ten seconds."""
_SHARED_TICKS = 3
"""Nobody was heard for so long: from here on it is everybody's silence."""


async def heard(tx: Tx, host_id: str, at: float) -> None:
    """The host gave a sign of life. `at` is for people to read."""
    await tx.run(
        "UPDATE hosts SET agent_seen_at = ?, counted_at = ?, silent = 0, dead = 0,"
        " heard_tick = (SELECT tick FROM pulse), heard_beat = (SELECT beat FROM pulse) WHERE id = ?",
        at,
        at,
        host_id,
    )


async def count(tx: Tx) -> list[str]:
    """One tick; the hosts that are silent from now on."""
    row = await tx.row("SELECT tick, beat, quiet FROM pulse")
    assert row is not None
    tick, beat, was_quiet = map(int, row)
    heard_of = "SELECT 1 FROM hosts WHERE heard_tick >= ? OR counted_at <> agent_seen_at LIMIT 1"
    somebody = await tx.row(heard_of, tick)
    quiet = was_quiet + 1 if somebody is None else 0
    beat += quiet < _SHARED_TICKS
    await tx.run("UPDATE pulse SET tick = ?, beat = ?, quiet = ?", tick + 1, beat, quiet)
    await _count_in_earlier_versions(tx, tick, beat)
    if quiet >= _SILENT_BEATS:
        return await _hush(tx, "silent = 0")
    if was_quiet >= _SILENT_BEATS:
        await tx.run("UPDATE hosts SET silent = 0 WHERE silent = 1 AND heard_beat > ?", beat - _SILENT_BEATS)
    return await _hush(tx, "silent = 0 AND heard_beat <= ?", beat - _SILENT_BEATS)


async def told_dead(tx: Tx, host_id: str) -> None:
    """It was found dead by more than its silence. It lives again with the next sign of life, and nobody's silence
    was shared by it meanwhile."""
    beats_ago = "(SELECT beat FROM pulse) - ?"
    await tx.run(
        f"UPDATE hosts SET silent = 1, dead = 1, heard_beat = {beats_ago} WHERE id = ?", _SILENT_BEATS, host_id
    )


async def lives(tx: Tx, host_id: str) -> None:
    """It was found dead and is heard again: its agent has as long as ever to say so itself."""
    await tx.run(
        "UPDATE hosts SET silent = 0, dead = 0, heard_beat = (SELECT beat FROM pulse) WHERE id = ? AND dead = 1",
        host_id,
    )


async def shared(tx: Tx) -> bool:
    """Whether nobody at all is heard: of none it can be told then that it is dead."""
    sql = "SELECT 1 FROM pulse WHERE quiet >= ? AND NOT EXISTS (SELECT 1 FROM hosts WHERE silent = 0)"
    return await tx.row(sql, _SILENT_BEATS) is not None


async def spared(tx: Tx) -> bool:
    """Whether some are still called silent for a silence that was everybody's and has just ended."""
    sql = "SELECT 1 FROM hosts WHERE silent = 1 AND heard_beat > (SELECT beat FROM pulse) - ? LIMIT 1"
    return await tx.row(sql, _SILENT_BEATS) is not None


async def _count_in_earlier_versions(tx: Tx, tick: int, beat: int) -> None:
    """Signs of life that such a process wrote down as a time."""
    await tx.run(
        "UPDATE hosts SET counted_at = agent_seen_at, silent = 0, heard_tick = ?, heard_beat = ?"
        " WHERE counted_at <> agent_seen_at",
        tick,
        beat,
    )


async def _hush(tx: Tx, condition: str, *values: int) -> list[str]:
    rows = await tx.rows(f"UPDATE hosts SET silent = 1 WHERE {condition} RETURNING name", *values)
    return sorted(str(row[0]) for row in rows)
