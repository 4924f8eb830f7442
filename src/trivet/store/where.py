"""Conditions and pages: the part of a SELECT that depends on what was asked."""

from collections.abc import Iterable, Sequence

import msgspec

from trivet.errors import Invalid
from trivet.store.tables import Value

_CONDITIONS_MAX = 500
"""Each stands a step deeper in what the database reads, and its steps are numbered."""

Sort = Sequence[tuple[str, bool]]
"""Pairs of what is sorted by, in SQL, and whether the largest comes first."""


class Where:
    """Conditions joined by AND. Column names come from our code only; values are always bound."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.values: list[Value] = []

    def copy(self) -> "Where":
        """A copy of the conditions so far, to go on in two ways."""
        return Where().add(" AND ".join(self._parts), *self.values) if self._parts else Where()

    def add(self, condition: str, *values: Value) -> "Where":
        _bound(len(self._parts))
        self._parts.append(condition)
        self.values.extend(values)
        return self

    def equal(self, column: str, value: Value) -> "Where":
        return self.add(f"{column} IS NULL") if value is None else self.add(f"{column} = ?", value)

    def any_of(self, column: str, values: Iterable[Value]) -> "Where":
        wanted = list(values)
        if not wanted:
            return self.add("1 = 0")
        if len(wanted) == 1:
            return self.add(f"{column} = ?", wanted[0])
        return self.add(f"{column} IN ({', '.join('?' for _ in wanted)})", *wanted)

    def none_of(self, column: str, values: Iterable[Value]) -> "Where":
        wanted = list(values)
        if not wanted:
            return self
        return self.add(f"{column} NOT IN ({', '.join('?' for _ in wanted)})", *wanted)

    def holding(self, column: str, text: str) -> "Where":
        """The text stands somewhere in it, to the letter, on both databases."""
        return self.add(f"replace({column}, ?, '') <> {column}", text) if text else self.add(f"{column} IS NOT NULL")

    def beginning(self, column: str, text: str) -> "Where":
        return self.add(f"substr({column}, 1, {len(text)}) = ?", text)

    def ending(self, column: str, text: str) -> "Where":
        where = f"length({column}) >= {len(text)} AND substr({column}, length({column}) - {len(text) - 1}) = ?"
        return self.add(where, text) if text else self.add(f"{column} IS NOT NULL")

    def either(self, choices: Sequence["Where"]) -> "Where":
        """One of them at least; of no choices, nothing."""
        _bound(len(choices))
        values = [value for choice in choices for value in choice.values]
        return self.add(
            f"({' OR '.join(f'({choice.condition})' for choice in choices)})" if choices else "1 = 0", *values
        )

    def no(self, other: "Where") -> "Where":
        return self.add(f"NOT ({other.condition})", *other.values)

    def inside(self, column: str, select: str, other: "Where") -> "Where":
        """It is among what `select` finds where `other` holds."""
        return self.add(f"{column} IN ({select}{other.sql})", *other.values)

    def after(self, sort: Sort, marker: Sequence[Value]) -> "Where":
        """Rows that follow `marker` in the order `sort`, which must end in a unique column."""
        if len({descending for _, descending in sort}) == 1:
            # Compared as one, an index finds the place at once.
            columns, marks = ", ".join(column for column, _ in sort), ", ".join("?" for _ in sort)
            return self.add(f"({columns}) {'<' if sort[0][1] else '>'} ({marks})", *marker)
        choices = []
        for n, (column, descending) in enumerate(sort):
            choice = Where()
            for (before, _), value in zip(sort[:n], marker, strict=False):
                choice.add(f"{before} = ?", value)
            choices.append(choice.add(f"{column} {'<' if descending else '>'} ?", marker[n]))
        first, down = sort[0]
        return self.add(f"{first} {'<=' if down else '>='} ?", marker[0]).either(choices)

    @property
    def condition(self) -> str:
        return " AND ".join(self._parts) or "1 = 1"

    @property
    def sql(self) -> str:
        return f" WHERE {' AND '.join(self._parts)}" if self._parts else ""


def by_tags(where: Where, column: str, how: str, tags: Sequence[str]) -> Where:
    """Of a column that holds them as a JSON array. tags: all of them; tags-any: one of them; not-tags: not all of them;
    not-tags-any: none of them."""
    each = [Where().holding(column, msgspec.json.encode(tag).decode()) for tag in tags]
    found = Where()
    if how.endswith("-any"):
        found.either(each)
    else:
        for one in each:
            found.add(one.condition, *one.values)
    return where.no(found) if how.startswith("not-") else where.add(found.condition, *found.values)


def order_by(sort: Sort) -> str:
    return ", ".join(f"{column} {'DESC' if descending else 'ASC'}" for column, descending in sort)


def _bound(count: int) -> None:
    """Many come from a client's list of words, one each."""
    if count >= _CONDITIONS_MAX:
        raise Invalid("query.conditions", f"More than {_CONDITIONS_MAX} conditions are asked for at once.")
