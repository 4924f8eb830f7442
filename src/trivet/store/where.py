"""Conditions and pages: the part of a SELECT that depends on what was asked."""

from collections.abc import Iterable, Sequence

from trivet.store.tables import Value


class Where:
    """Conditions joined by AND. Column names come from our code only; values are always bound."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.values: list[Value] = []

    def copy(self) -> "Where":
        """A copy of the conditions so far, to go on in two ways."""
        return Where().add(" AND ".join(self._parts), *self.values) if self._parts else Where()

    def add(self, condition: str, *values: Value) -> "Where":
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

    def after(self, sort: Sequence[tuple[str, bool]], marker: Sequence[Value]) -> "Where":
        """Rows that follow `marker` in the order `sort`: pairs of (column, descending). Must end in a unique column."""
        choices: list[str] = []
        values: list[Value] = []
        for n, (column, descending) in enumerate(sort):
            equal = "".join(f"{before} = ? AND " for before, _ in sort[:n])
            values.extend(marker[:n])
            values.append(marker[n])
            choices.append(f"({equal}{column} {'<' if descending else '>'} ?)")
        return self.add(f"({' OR '.join(choices)})", *values)

    @property
    def sql(self) -> str:
        return f" WHERE {' AND '.join(self._parts)}" if self._parts else ""


def order_by(sort: Sequence[tuple[str, bool]]) -> str:
    return ", ".join(f"{column} {'DESC' if descending else 'ASC'}" for column, descending in sort)
