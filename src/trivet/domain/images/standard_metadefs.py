"""The standard metadata definitions, without which dashboards have nothing to offer when a server is launched.

They stand in a text beside this file, a line each, and are put into the database once: what an operator changes or
takes away stays so.
"""

from importlib import resources
from typing import Any

import msgspec

from trivet.domain.images import metadefs
from trivet.domain.images.metadefs import Namespace
from trivet.store.tx import Tx

_TEXT = "standard_metadefs.txt"
_OWNER = "admin"


class Standard(msgspec.Struct):
    """A namespace as the text has it."""

    name: str
    label: str
    protected: bool
    types: dict[str, dict[str, str]] = {}
    properties: dict[str, dict[str, Any]] = {}
    objects: dict[str, dict[str, Any]] = {}


async def load(tx: Tx) -> None:
    now = tx.clock.now()
    for standard in read(resources.files(__package__).joinpath(_TEXT).read_text()):
        namespace = Namespace(
            id=tx.ids.uuid(), project_id=_OWNER, namespace=standard.name, visibility="public",
            protected=standard.protected, display_name=standard.label, created_at=now, updated_at=now,
        )  # fmt: skip
        if await tx.find(metadefs.NAMESPACES, "namespace = ?", standard.name) is not None:
            continue
        await metadefs.create(tx, namespace)
        for name, body in standard.types.items():
            await metadefs.add(tx, namespace, "resource_type", name, body)
        for name, body in standard.properties.items():
            await metadefs.add(tx, namespace, "property", name, body)
        for name, properties in standard.objects.items():
            await metadefs.add(tx, namespace, "object", name, {"properties": properties})


def read(text: str) -> list[Standard]:
    found: list[Standard] = []
    properties: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            name, _, label = line[1:].partition("] ")
            protected = not label.startswith("unprotected ")
            found.append(Standard(name, label.removeprefix("unprotected "), protected))
            properties = found[-1].properties
        elif line.startswith("@ "):
            _, name, prefix, *target = line.split()
            said = ({"prefix": prefix} if prefix != "-" else {}) | ({"properties_target": target[0]} if target else {})
            found[-1].types[name] = said
        elif line.startswith("= "):
            properties = found[-1].objects.setdefault(line[2:], {})
        elif line and not line.startswith("#"):
            name, body = _property(line)
            properties[name] = body
    return found


def _property(line: str) -> tuple[str, dict[str, Any]]:
    head, brace, rest = line.partition(" {")
    name, type, title = head.split(" ", 2)
    more = msgspec.json.decode("{" + rest, type=dict[str, Any]) if brace else {}
    return name, {"title": title, "type": type} | more
