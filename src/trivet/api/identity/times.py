"""Times as clients send them."""

from trivet.clock import parse_iso
from trivet.errors import Invalid


def ending(text: str | None) -> float | None:
    """When something is to end; None is never."""
    if text is None:
        return None
    try:
        return parse_iso(text)
    except (ValueError, OverflowError) as error:
        raise Invalid("time.malformed", "expires_at is not a time in ISO 8601 format.") from error
