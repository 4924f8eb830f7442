"""Ids and secrets, so that a simulation can own chance."""

import os
import random
import secrets
import uuid
from typing import Protocol


class Ids(Protocol):
    def uuid(self) -> str: ...
    def hex(self) -> str: ...
    def secret(self) -> str: ...
    def choice_below(self, n: int) -> int: ...


class SystemIds:
    def __init__(self) -> None:
        self._chance = random.Random()  # noqa: S311 - spreads load; nothing secret comes from it

    def uuid(self) -> str:
        """A random one (version 4). Every request gets one, and the library's own way takes twice as long."""
        digits = os.urandom(16).hex()
        variant = "89ab"[int(digits[16], 16) % 4]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def hex(self) -> str:
        """32 hexadecimal digits, as identity spells its ids."""
        return self.uuid().replace("-", "")

    def secret(self) -> str:
        """256 bits, safe in a URL."""
        return secrets.token_urlsafe(32)

    def choice_below(self, n: int) -> int:
        return self._chance.randrange(n)


class SeededIds:
    """The same history for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - for simulations, which must repeat

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def hex(self) -> str:
        return self.uuid().replace("-", "")

    def secret(self) -> str:
        return f"{self._chance.getrandbits(256):064x}"

    def choice_below(self, n: int) -> int:
        return self._chance.randrange(n)


def is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
