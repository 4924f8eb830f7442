"""Claims: capacity taken from a provider, in the transaction that creates its owner.

A claim is a conditional update (`used = used + n where used + n <= capacity`), never a look and then a
write, so any number of processes may claim at once and none can sell a unit twice. Where to try is another
matter: see choosing.py.

Rows are always written in one order: consumers, then by provider the provider itself and what hangs on it. So two that
change the same things wait for each other but never in a circle, and whoever holds a provider finds what it has at
rest. The provider's generation counts every claim and every release: whoever remembers a provider by its generation
(domain/placement/provider_summaries.py) relies on that.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from trivet.errors import Conflict
from trivet.store import leases
from trivet.store.tx import Tx

Allocations = dict[str, dict[str, int]]
"""provider id -> class -> amount"""

FITS = "min_unit <= ? AND max_unit >= ? AND ? % step_size = 0"
"""Whether an inventory gives such an amount to one consumer; to be bound to the amount three times."""
_WITHIN = "used + ? <= capacity"
_SQL_MOVE_ON = "UPDATE providers SET generation = generation + 1 WHERE id = ?"


class Consumer(msgspec.Struct, frozen=True):
    """What takes capacity: a server, a port, a volume, or whatever a placement client names."""

    id: str
    project_id: str
    user_id: str
    type: str | None = None


async def take(tx: Tx, consumer: Consumer, allocations: Allocations) -> bool:
    """Claim all of it, on top of what the consumer holds, or nothing."""
    await tx.savepoint()
    await _register(tx, consumer)
    for provider_id, amounts in sorted(allocations.items()):
        if not await _change(
            tx, provider_id, {name: _ClaimChange(amount, (amount,)) for name, amount in amounts.items()}
        ):
            await tx.undo()
            return False
        await _write_down(tx, consumer.id, provider_id, amounts)
    await tx.keep()
    return True


async def replace(
    tx: Tx, wanted: Iterable[tuple[Consumer, Allocations]], known: Mapping[str, int | None] | None = None
) -> bool:
    """Make each consumer hold exactly what is said, all of them or none.

    What one gives up another may take in the same step. Holding no more than before is always possible, even on
    a provider whose capacity was lowered meanwhile. `known` says which generation a consumer should have now
    (None: it should not exist); Conflict if it has another.
    """
    await tx.savepoint()
    done = await end_replacing(tx, await begin_replacing(tx, wanted, known or {}))
    await (tx.keep() if done else tx.undo())
    return done


class _ClaimChange(msgspec.Struct, frozen=True):
    """How a claim changes what is taken of one class of one provider."""

    more: int = 0
    units: tuple[int, ...] = ()
    """What the provider's smallest, largest and step size apply to: what each consumer is to hold."""


class Replacing(msgspec.Struct, frozen=True):
    """Consumers are held and hold nothing; what that means for providers is known but not done."""

    consumers: list[tuple[Consumer, Allocations]]
    changes: dict[str, dict[str, _ClaimChange]]
    """provider id -> class -> change"""


async def begin_replacing(
    tx: Tx, wanted: Iterable[tuple[Consumer, Allocations]], known: Mapping[str, int | None]
) -> Replacing:
    """Half of `replace`, for who changes the providers as well: that comes after the consumers."""
    consumers = sorted(wanted, key=lambda pair: pair[0].id)
    changes: dict[str, dict[str, _ClaimChange]] = {}
    for consumer, allocations in consumers:
        generation = await _register(tx, consumer)
        if consumer.id in known and known[consumer.id] != (generation - 1 or None):
            raise _other_generation(generation - 1, known[consumer.id])
        if generation > 1:  # a new one holds nothing
            _add(changes, await _give_up(tx, consumer.id), -1)
        _add(changes, allocations, 1)
    return Replacing(consumers, changes)


async def end_replacing(tx: Tx, begun: Replacing) -> bool:
    """The other half. If it is False, the transaction has to be undone to before the first."""
    for provider_id, of_provider in sorted(begun.changes.items()):
        if not await _change(tx, provider_id, of_provider):
            return False
    for consumer, allocations in begun.consumers:
        for provider_id, amounts in allocations.items():
            await _write_down(tx, consumer.id, provider_id, amounts)
        if not allocations:
            await tx.run("DELETE FROM consumers WHERE id = ?", consumer.id)
    return True


async def free(tx: Tx, consumer_id: str) -> bool:
    """Give back all that the consumer holds; whether it held anything. Twice is the same as once."""
    if not await tx.run("UPDATE consumers SET generation = generation + 1 WHERE id = ?", consumer_id):
        return False
    changes: dict[str, dict[str, _ClaimChange]] = {}
    _add(changes, await _give_up(tx, consumer_id), -1)
    for provider_id, of_provider in sorted(changes.items()):
        await _change(tx, provider_id, of_provider)
    await tx.run("DELETE FROM consumers WHERE id = ?", consumer_id)
    return True


async def hold(tx: Tx, provider_id: str) -> None:
    """Before anything of a provider is changed: count the change, and let nobody else change it until the commit."""
    await tx.run(_SQL_MOVE_ON, provider_id)


async def take_turn(tx: Tx) -> None:
    """For who claims one after the other what he cannot know before: he meets providers in no order, so only one of
    such at a time may. To be called before anything is claimed; the turn ends with the transaction."""
    await leases.take_turn(tx, "several claims")


async def held(tx: Tx, consumer_id: str) -> Allocations:
    return _grouped(await tx.rows("SELECT provider_id, class, used FROM claims WHERE consumer_id = ?", consumer_id))


async def _give_up(tx: Tx, consumer_id: str) -> Allocations:
    """What it held; the inventories are the caller's to change."""
    return _grouped(
        await tx.rows("DELETE FROM claims WHERE consumer_id = ? RETURNING provider_id, class, used", consumer_id)
    )


def _grouped(rows: Sequence[Sequence[Any]]) -> Allocations:
    found: Allocations = {}
    for provider_id, name, amount in rows:
        found.setdefault(str(provider_id), {})[str(name)] = int(amount)
    return found


async def _register(tx: Tx, consumer: Consumer) -> int:
    """The consumer's row, made or taken hold of: who else changes this consumer's claims waits here.

    Its new generation, 1 if it is new.
    """
    now = tx.clock.now()
    row = await tx.row(
        "INSERT INTO consumers (id, generation, project_id, user_id, type, created_at, updated_at)"
        " VALUES (?, 1, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET generation = consumers.generation + 1,"
        " project_id = excluded.project_id, user_id = excluded.user_id,"
        " type = COALESCE(excluded.type, consumers.type), updated_at = excluded.updated_at"
        " RETURNING generation",
        consumer.id,
        consumer.project_id,
        consumer.user_id,
        consumer.type,
        now,
        now,
    )
    assert row is not None
    return int(row[0])


def _other_generation(has: int, known: int | None) -> Conflict:
    return Conflict(
        "consumer.generation",
        f"consumer generation conflict - expected {has or 'null'} but got {'null' if known is None else known}",
    )


async def _write_down(tx: Tx, consumer_id: str, provider_id: str, amounts: dict[str, int]) -> None:
    """That the consumer holds so much more there."""
    values = [value for name, amount in amounts.items() for value in (consumer_id, provider_id, name, amount)]
    rows = ", ".join(["(?, ?, ?, ?)"] * len(amounts))
    await tx.run(
        f"INSERT INTO claims (consumer_id, provider_id, class, used) VALUES {rows}"
        " ON CONFLICT (consumer_id, provider_id, class) DO UPDATE SET used = claims.used + excluded.used",
        *values,
    )


def _add(changes: dict[str, dict[str, _ClaimChange]], allocations: Allocations, sign: Literal[1, -1]) -> None:
    for provider_id, amounts in allocations.items():
        of_provider = changes.setdefault(provider_id, {})
        for name, amount in amounts.items():
            before = of_provider.get(name, _ClaimChange())
            units = (*before.units, amount) if sign > 0 else before.units
            of_provider[name] = _ClaimChange(before.more + sign * amount, units)


async def _change(tx: Tx, provider_id: str, changes: dict[str, _ClaimChange]) -> bool:
    """Take from one provider, and give back, in one statement. If that is impossible for one class: False, and the
    caller undoes what was done to the others."""
    added: list[str | int] = []
    conditions: list[str] = []
    values: list[str | int] = []
    for name, change in sorted(changes.items()):
        added += (name, change.more)
        condition = "class = ?"
        values.append(name)
        if change.more > 0:
            condition += f" AND {_WITHIN}"
            values.append(change.more)
        for amount in change.units:
            condition += f" AND {FITS}"
            values += (amount, amount, amount)
        conditions.append(f"({condition})")
    more = f"CASE class{' WHEN ? THEN CAST(? AS BIGINT)' * len(changes)} END"
    await hold(tx, provider_id)
    done = await tx.run(
        f"UPDATE inventories SET used = used + {more}, free = free - {more}"
        f" WHERE provider_id = ? AND ({' OR '.join(conditions)})",
        *added,
        *added,
        provider_id,
        *values,
    )
    return done == len(changes)
