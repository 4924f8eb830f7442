"""Names in a registry: repositories, tags and digests, as the distribution specification spells them."""

import hashlib
import re

import msgspec

from trivet.errors import Invalid

NAME_MAX = 255
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"^{_WORD}(?:/{_WORD})*\Z", re.ASCII)
_TAG = re.compile(r"^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z", re.ASCII)
_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"^[0-9a-f]+\Z", re.ASCII)


class Path(msgspec.Struct, frozen=True):
    """A repository as clients name it."""

    namespace: str
    """The project, by its id or its name."""
    name: str


def path(text: str) -> Path:
    namespace, _, name = text.partition("/")
    if len(text) > NAME_MAX or not _NAME.match(text) or not name:
        raise Invalid(
            "repository.name",
            f"{text[:64]!r} names no repository: write PROJECT/NAME in lower case, with the project's name or id.",
        )
    return Path(namespace, name)


def is_digest(text: str) -> bool:
    algorithm, _, value = text.partition(":")
    return len(value) == _LENGTHS.get(algorithm, -1) and _HEX.match(value) is not None


def digest(text: str | None) -> str:
    if text is None or not is_digest(text):
        raise Invalid(
            "digest.invalid", f"{(text or '')[:100]!r} is no digest: it is sha256: or sha512: and hexadecimal digits."
        )
    return text


def tag(text: str) -> str:
    if not _TAG.match(text):
        raise Invalid("tag.invalid", f"{text[:64]!r} is no tag: it has at most 128 letters, digits, `_`, `.` and `-`.")
    return text


def hasher(of: str) -> "hashlib._Hash":
    """For the algorithm of a digest."""
    return hashlib.new(of.partition(":")[0])


def digest_of(text: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, text).hexdigest()}"
