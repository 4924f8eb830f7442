"""Whole numbers as clients write them: the ten digits and nothing else that Unicode or Python takes for a number."""

_DIGITS_MAX = 18
"""What a BIGINT surely holds."""


def whole_number(text: str) -> int | None:
    """None: it is none of 0 or more, or longer than any that means something."""
    return int(text) if len(text) <= _DIGITS_MAX and text.isascii() and text.isdigit() else None
