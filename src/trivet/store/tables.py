"""Tables: how a frozen record becomes a row and comes back.

A record is a msgspec Struct whose fields are the columns, in order. Strings, numbers and booleans are
columns as they are; any other type is kept as JSON text and decoded by its own type, so a nested Struct
comes back as itself. All statements of a table are built once, when the table is described.
"""

import typing
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar

import msgspec

Value = str | int | float | bytes | None
"""What a database column can hold, in both databases."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A row that has a name of its own and counts how often it was written."""

    id: str
    revision: int = 1


R = TypeVar("R", bound=Record)


def _plain(kind: object) -> tuple[bool, bool]:
    """(kept as it is, a boolean) for a field's type."""
    parts = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, UnionType) else (kind,)
    parts = tuple(part for part in parts if part is not NoneType)
    if parts == (bool,):
        return True, True
    if len(parts) == 1 and typing.get_origin(parts[0]) is typing.Literal:
        return all(isinstance(value, str) for value in typing.get_args(parts[0])), False
    return parts in ((str,), (int,), (float,)), False


def _emptiness(kind: object) -> str | None:
    """What stands for nothing in an order; None for what is never empty."""
    parts = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, UnionType) else ()
    if NoneType not in parts:
        return None
    return "-1" if {int, float, bool} & set(parts) else "''"


class Table(Generic[R]):
    """One noun's rows. `logged` tables write an event with every change, in the same transaction."""

    def __init__(self, name: str, record: type[R], *, logged: bool = True) -> None:
        self.name = name
        self.record = record
        self.logged = logged
        hints = typing.get_type_hints(record)
        self.columns: tuple[str, ...] = tuple(record.__struct_fields__)
        self._encoders: dict[str, Callable[[Any], Value]] = {}
        self._decoders: list[tuple[str, Callable[[Any], Any]]] = []
        self._empty = {column: _emptiness(hints[column]) for column in self.columns}
        for column in self.columns:
            plain, boolean = _plain(hints[column])
            if boolean:
                self._encoders[column] = _bool_to_int
                self._decoders.append((column, bool))
            elif not plain:
                self._encoders[column] = _to_json
                self._decoders.append((column, msgspec.json.Decoder(hints[column]).decode))
        self.has_project = "project_id" in self.columns
        self.has_host = "host_id" in self.columns
        listed = ", ".join(self.columns)
        marks = ", ".join("?" for _ in self.columns)
        self.sql_select = f"SELECT {listed} FROM {name}"
        self.sql_get = f"{self.sql_select} WHERE id = ?"
        self.sql_insert = f"INSERT INTO {name} ({listed}) VALUES ({marks})"
        self.sql_insert_or_ignore = f"{self.sql_insert} ON CONFLICT DO NOTHING"
        self.sql_delete = f"DELETE FROM {name} WHERE id = ? AND revision = ?"
        self._sql_updates: dict[tuple[str, ...], str] = {}

    def unreadable(self, row: Mapping[str, Value]) -> str | None:
        """The first of these columns whose text this program cannot read; None if it can read all."""
        for column, decode in self._decoders:
            value = row.get(column)
            if value is not None:
                try:
                    decode(value)
                except msgspec.DecodeError:
                    return column
        return None

    @property
    def read_columns(self) -> tuple[str, ...]:
        """The columns that are more than what the database holds: a program may fail to read them."""
        return tuple(column for column, decode in self._decoders if decode is not bool)

    def ordered(self, column: str) -> str:
        """The column as a place in an order, which both databases know only of what is not empty."""
        empty = self._empty.get(column)
        return column if empty is None else f"COALESCE({column}, {empty})"

    def sql_update(self, changed: tuple[str, ...]) -> str:
        """Compare and swap: nothing happens if somebody else wrote the row meanwhile."""
        sql = self._sql_updates.get(changed)
        if sql is None:
            sets = "".join(f", {column} = ?" for column in changed)
            sql = f"UPDATE {self.name} SET revision = revision + 1{sets} WHERE id = ? AND revision = ?"
            self._sql_updates[changed] = sql
        return sql

    def is_flag(self, column: str) -> bool:
        return self._encoders.get(column) is _bool_to_int

    def encode(self, column: str, value: Any) -> Value:
        encoder = self._encoders.get(column)
        return encoder(value) if encoder is not None and value is not None else value

    def to_row(self, record: R) -> list[Value]:
        return [self.encode(column, getattr(record, column)) for column in self.columns]

    def from_row(self, row: typing.Iterable[Any]) -> R:
        values = dict(zip(self.columns, row, strict=True))
        for column, decode in self._decoders:
            value = values[column]
            if value is not None:
                values[column] = decode(value)
        return self.record(**values)


def _bool_to_int(value: bool) -> int:
    return 1 if value else 0


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()
