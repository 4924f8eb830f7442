"""What a noun is in OVN's northbound database: rows, and memberships in the sets of other nouns' rows.

Every row's uuid follows from the id of what it stands for. That makes a row findable without a search,
makes two processes that write the same thing write the same row, and lets a row be referred to before it is
written: who comes first leaves a stub (`Row.stub`) that the owner fills in later.
"""

import uuid
from typing import Any

import msgspec

from trivet.drivers.ovn.ovsdb import Json, Key, Operation, pairs, plain, reference, references

_SPACE = uuid.UUID("3ccf3a87-65d6-5d5f-a6c5-1b3b8b2a1f0e")


def row_uuid(what: str, id: str) -> str:
    return str(uuid.uuid5(_SPACE, f"{what}/{id}"))


def tag(noun: str, id: str, **more: str) -> Json:
    return pairs({"trivet": "1", "noun": noun, "id": id, **more})


class Row(msgspec.Struct, frozen=True):
    """One row as it must be; columns that are not named are left alone."""

    table: str
    uuid: str
    columns: dict[str, Json]
    stub: bool = False
    """Only to be there: an existing row is left as it is."""
    when_new: tuple[Operation, ...] = ()
    """Done in the same transaction if the row was not there: mends those who came too early."""

    @property
    def key(self) -> Key:
        return self.table, self.uuid


class Member(msgspec.Struct, frozen=True):
    """Rows that must be, or must not be, in a set column of a row that many write to."""

    table: str
    uuid: str
    column: str
    members: tuple[str, ...]
    present: bool = True


class RowChange(msgspec.Struct, frozen=True):
    """One transaction's worth: what makes the database equal to one spec."""

    rows: tuple[Row, ...] = ()
    members: tuple[Member, ...] = ()
    gone: tuple[Key, ...] = ()
    also: tuple[Operation, ...] = ()

    def compared(self) -> dict[Key, list[str]]:
        """What must be read to know what is left to do."""
        return {row.key: ["_uuid"] if row.stub else list(row.columns) for row in self.rows}

    def operations(self, there: dict[Key, dict[str, Any]]) -> list[Operation]:
        """The operations that are left to do, given the rows that are there."""
        operations: list[Operation] = []
        for row in self.rows:
            operations += _settle(row, there.get(row.key))
        for member in self.members:
            mutator = "insert" if member.present else "delete"
            operations.append(
                on(
                    member.table,
                    member.uuid,
                    "mutate",
                    mutations=[[member.column, mutator, references(member.members)]],
                )
            )
        operations += [on(table, uuid, "delete") for table, uuid in self.gone]
        operations += self.also
        return operations


def on(table: str, uuid: str, verb: str, **arguments: Json) -> Operation:
    return {"op": verb, "table": table, "where": [["_uuid", "==", reference(uuid)]], **arguments}


def _settle(row: Row, there: dict[str, Any] | None) -> list[Operation]:
    if there is None:
        insert: Operation = {"op": "insert", "table": row.table, "uuid": row.uuid, "row": row.columns}
        return [insert, *row.when_new]
    # Another process may remove the row between our reading and this; the wait makes that a race we notice.
    still_there = on(
        row.table,
        row.uuid,
        "wait",
        timeout=0,
        columns=["_uuid"],
        until="==",
        rows=[{"_uuid": reference(row.uuid)}],
    )
    if row.stub:
        return [still_there]
    changed = {name: value for name, value in row.columns.items() if plain(value) != plain(there[name])}
    return [still_there, on(row.table, row.uuid, "update", row=changed)] if changed else [still_there]
