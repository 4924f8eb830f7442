"""Metadata: words that people hang on the things of this service. Each thing holds a bounded number of them."""

from trivet.errors import Invalid

MOST = 128


def bounded(words: dict[str, str], owner: str, noun: str) -> dict[str, str]:
    if len(words) > MOST:
        raise Invalid("metadata.too_many", f"{owner} has at most {MOST} {noun}.")
    return words


def without(words: dict[str, str], key: str) -> dict[str, str]:
    return {name: value for name, value in words.items() if name != key}
