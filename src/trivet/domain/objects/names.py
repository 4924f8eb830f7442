"""Names and headers: what an object, a container, and what is said of them may be. Told to clients at /info."""

from collections.abc import Mapping

from trivet.errors import Invalid

POLICY = "standard"
"""The one kind of storage that there is, as clients are told."""
ACCOUNT_PREFIX = "AUTH_"
CONTAINER_NAME_MAX = 256
OBJECT_NAME_MAX = 1024
SIZE_MAX = (5 << 30) + 2
"""Of one object; longer ones are made of segments."""
LISTING_MAX = 10_000
META_NAME_MAX = 128
META_VALUE_MAX = 256
META_COUNT_MAX = 90
META_TOTAL_MAX = 4096
HEADER_MAX = 8192

CONSTRAINTS: dict[str, object] = {
    "account_listing_limit": LISTING_MAX,
    "container_listing_limit": LISTING_MAX,
    "allow_account_management": False,
    "account_autocreate": True,
    "extra_header_count": 0,
    "max_account_name_length": 256,
    "max_container_name_length": CONTAINER_NAME_MAX,
    "max_object_name_length": OBJECT_NAME_MAX,
    "max_file_size": SIZE_MAX,
    "max_header_size": HEADER_MAX,
    "max_meta_count": META_COUNT_MAX,
    "max_meta_name_length": META_NAME_MAX,
    "max_meta_overall_size": META_TOTAL_MAX,
    "max_meta_value_length": META_VALUE_MAX,
    "strict_cors_mode": True,
}


def behind(start: str) -> str:
    """The first name behind all that begin so; empty, if there is none. The order of UTF-8's bytes is that of the
    characters' numbers."""
    while start:
        last = ord(start[-1]) + 1
        if last <= 0x10FFFF:
            return start[:-1] + chr(0xE000 if 0xD800 <= last < 0xE000 else last)
        start = start[:-1]
    return ""


def check_container(name: str) -> None:
    if len(name.encode()) > CONTAINER_NAME_MAX:
        raise Invalid(
            "container.name", f"Container name length of {len(name.encode())} longer than {CONTAINER_NAME_MAX}"
        )
    if "/" in name or not name:
        raise Invalid("container.name", "A container's name is not empty and has no slash in it.")


def check_object(name: str) -> None:
    if len(name.encode()) > OBJECT_NAME_MAX:
        raise Invalid("object.name", f"Object name length of {len(name.encode())} longer than {OBJECT_NAME_MAX}")


def check_metadata(prefix: str, said: Mapping[str, str]) -> None:
    """Of one request: as many headers, and as long, as Swift takes."""
    count = total = 0
    for header, value in said.items():
        if len(value.encode()) > HEADER_MAX:
            raise Invalid("header.too_long", f"Header value too long: {header[:META_NAME_MAX]}")
        if not header.startswith(prefix):
            continue
        name, size = header[len(prefix) :], len(value.encode())
        if not name:
            raise Invalid("metadata.name", "Metadata name cannot be empty")
        if len(name.encode()) > META_NAME_MAX:
            raise Invalid("metadata.name", f"Metadata name too long: {header[: META_NAME_MAX * 2]}")
        if size > META_VALUE_MAX:
            raise Invalid("metadata.value", f"Metadata value longer than {META_VALUE_MAX}: {header}")
        count, total = count + 1, total + len(name.encode()) + size
    if count > META_COUNT_MAX:
        raise Invalid("metadata.count", f"Too many metadata items; max {META_COUNT_MAX}")
    if total > META_TOTAL_MAX:
        raise Invalid("metadata.size", f"Total metadata too large; max {META_TOTAL_MAX}")
