"""Stores: the places where images are kept, by name. One is always there; the operator names further ones.

A blob's key says in which store it lies, so whoever has the key needs to know nothing else.
"""

from collections.abc import Sequence

import msgspec

from trivet.errors import Conflict, Invalid
from trivet.settings import LOCAL, Settings

_KIND, _OF_STORE = "image", "image-"


class Targets(msgspec.Struct, frozen=True):
    """Where bytes are to be written, all of them or as many as can be had."""

    stores: tuple[str, ...]
    must_succeed: bool = True


def names(settings: Settings) -> tuple[str, ...]:
    return (LOCAL, *settings.stores)


def default(settings: Settings) -> str:
    return settings.image_default_store or LOCAL


def kind_of(store: str) -> str:
    """Of the blobs in it."""
    return _KIND if store == LOCAL else f"{_OF_STORE}{store}"


def kinds(settings: Settings) -> list[str]:
    return [kind_of(name) for name in names(settings)]


def key_in(store: str, key: str) -> str:
    """The same name in another store: of what is written to several at once."""
    return f"{kind_of(store)}.{key.partition('.')[2]}"


def store_of(key: str) -> str:
    kind = key.partition(".")[0]
    return kind.removeprefix(_OF_STORE) if kind.startswith(_OF_STORE) else LOCAL


def one(settings: Settings, header: str | None) -> str:
    """For an upload."""
    if header is None:
        return default(settings)
    if header not in names(settings):
        raise Invalid("store.absent", _absent(settings, header))
    return header


def chosen(
    settings: Settings, stores: Sequence[str] | None, header: str | None, *, all_stores: bool, must_succeed: bool
) -> Targets:
    """For an import."""
    if all_stores and (stores is not None or header is not None):
        raise Invalid(
            "import.stores", "All_stores parameter can't be used with x-image-meta-store header or stores parameter"
        )
    if stores is not None and header is not None:
        raise Invalid("import.stores", "Stores parameter and x-image-meta-store header can't be both specified")
    if all_stores:
        return Targets(names(settings), must_succeed)
    said = tuple(dict.fromkeys(stores or (header or default(settings),)))
    for store in said:
        if store not in names(settings):
            raise Conflict("store.absent", _absent(settings, store))
    return Targets(said, must_succeed)


def _absent(settings: Settings, store: str) -> str:
    return f"There is no store {store[:64]!r}; there is {', '.join(names(settings))}."
