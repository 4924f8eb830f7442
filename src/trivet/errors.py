"""Everything that can go wrong, sorted by what the caller should do about it.

    TrivetError
    ├── Invalid    400  fix it and resend          ├── Conflict   409  look again and decide
    ├── Forbidden  403  you may not                ├── OverQuota  403  your limit says no
    └── NotFound   404  none, or none you may see  └── Busy       503  our fault; resend as is

A `code` never changes once released; clients may act on it. The sentence may be improved at any time.
A dialect spells these in its service's own shape; it may also narrow the status where its service
has a more exact one (401, 406, 413...), never the class.
"""

from typing import ClassVar


class TrivetError(Exception):
    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str, *, status: int | None = None, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = status or self.status
        self.details = details


class Invalid(TrivetError):
    status = 400


class Forbidden(TrivetError):
    status = 403


class NotFound(TrivetError):
    status = 404


class Conflict(TrivetError):
    status = 409


class OverQuota(TrivetError):
    status = 403


class Busy(TrivetError):
    status = 503


class Stale(Conflict):
    """Somebody else wrote the record between our reading and our writing: run the transaction again."""

    def __init__(self, table: str, id: str) -> None:
        super().__init__("record.stale", f"{table} {id} was changed at the same time; try again.")


class InTheWay(Conflict):
    """The database refused a row for another that came, or went, a moment ago: whoever looks again can say which."""

    def __init__(self) -> None:
        super().__init__(
            "record.exists", "What this belongs to, or what is named like it, is being changed; look again."
        )
