"""Microversions: one number a request, so that a field or a route can say since when it exists.

2.79 is kept as 2079: one comparison of integers on the hot path.
"""

import re

from trivet.errors import Invalid

_TEXT = re.compile(r"^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\Z", re.ASCII)


def number(text: str) -> int:
    match = _TEXT.match(text)
    if match is None:
        raise Invalid("version.malformed", f"API version string {text[:64]!r} is not like 2.1; send MAJOR.MINOR.")
    return int(match[1]) * 1000 + int(match[2])


def text(version: int) -> str:
    return f"{version // 1000}.{version % 1000}"


class Microversions:
    """What a service speaks, and how its clients ask for one of them."""

    def __init__(self, service: str, lowest: str, newest: str, *, legacy_header: str | None = None) -> None:
        self.service = service
        self.lowest = number(lowest)
        self.newest = number(newest)
        self._legacy = legacy_header.lower().encode() if legacy_header else None
        self._known: dict[tuple[bytes | None, bytes | None], int] = {}

    def asked(self, headers: dict[bytes, bytes]) -> int:
        key = (headers.get(b"openstack-api-version"), headers.get(self._legacy) if self._legacy else None)
        version = self._known.get(key)
        if version is None:
            version = self._read(*key)
            if len(self._known) < 1024:
                self._known[key] = version
        return version

    def _read(self, header: bytes | None, legacy: bytes | None) -> int:
        wanted = legacy.decode("latin-1").strip() if legacy is not None else None
        if header is not None:
            for part in header.decode("latin-1").split(","):
                service, _, value = part.strip().partition(" ")
                if service.lower() == self.service:
                    wanted = value.strip()
        if wanted is None:
            return self.lowest
        if wanted == "latest":
            return self.newest
        version = number(wanted)
        if not self.lowest <= version <= self.newest:
            raise Invalid(
                "version.unsupported",
                f"Version {wanted} is not supported by the API. Minimum is {text(self.lowest)} "
                f"and maximum is {text(self.newest)}.",
                status=406,
            )
        return version

    def reply_headers(self, version: int) -> list[tuple[bytes, bytes]]:
        said = text(version)
        headers = [
            (b"openstack-api-version", f"{self.service} {said}".encode()),
            (b"vary", b"OpenStack-API-Version"),
        ]
        if self._legacy:
            headers += [(self._legacy, said.encode()), (b"vary", self._legacy)]
        return headers
