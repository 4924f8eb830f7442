"""Metadata definitions: a catalog of the properties that images, flavors and volumes may carry.

A namespace is a folder of definitions; it holds items of four kinds. Operators write them, everybody who
may see a namespace reads them. Nothing in the cloud depends on them: they are for dashboards and people.
"""

from collections.abc import Sequence
from typing import Any, Literal

from trivet.domain.callers import Caller
from trivet.errors import Conflict, Forbidden, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

Kind = Literal["object", "property", "tag", "resource_type"]

RESOURCE_TYPES = (
    "OS::Glance::Image",
    "OS::Cinder::Volume",
    "OS::Nova::Flavor",
    "OS::Nova::Aggregate",
    "OS::Nova::Server",
    "OS::Trove::Instance",
)


class Namespace(Record, frozen=True, kw_only=True):
    project_id: str | None
    namespace: str
    visibility: Literal["private", "public"] = "private"
    protected: bool = False
    display_name: str | None = None
    description: str | None = None
    created_at: float
    updated_at: float


class Item(Record, frozen=True, kw_only=True):
    namespace_id: str
    kind: Kind
    name: str
    body: dict[str, Any] = {}
    """All that was said of it, but the name."""
    created_at: float
    updated_at: float


NAMESPACES = Table("metadef_namespaces", Namespace, logged=False)
ITEMS = Table("metadef_items", Item, logged=False)


# -- namespaces


def seen_by(caller: Caller) -> Where:
    if caller.is_operator or (caller.system and caller.has("reader")):
        return Where()
    return Where().add("(visibility = 'public' OR project_id = ?)", caller.project_id or "")


def about(where: Where, types: Sequence[str]) -> None:
    """Narrow to those that belong to some of these types of resources."""
    named = Where().equal("kind", "resource_type").any_of("name", types)
    where.inside("id", "SELECT namespace_id FROM metadef_items", named)


async def visible(tx: Tx, caller: Caller, name: str) -> Namespace:
    found = await tx.find(NAMESPACES, "namespace = ?", name)
    if found is None or (found.visibility != "public" and not caller.may_see(found.project_id)):
        raise NotFound("metadef.absent", f"Metadata definition namespace not found: {name[:80]}")
    return found


async def create(tx: Tx, namespace: Namespace) -> Namespace:
    if not await tx.insert_new(NAMESPACES, namespace):
        raise Conflict("metadef.exists", f"The metadata definition namespace={namespace.namespace} already exists.")
    return namespace


async def update(tx: Tx, old: Namespace, wanted: Namespace) -> Namespace:
    name = wanted.namespace
    if name != old.namespace and await tx.find(NAMESPACES, "namespace = ?", name) is not None:
        raise Conflict("metadef.exists", f"The metadata definition namespace={name} already exists.")
    return await tx.update(
        NAMESPACES,
        old,
        namespace=name,
        project_id=wanted.project_id,
        visibility=wanted.visibility,
        protected=wanted.protected,
        display_name=wanted.display_name,
        description=wanted.description,
        updated_at=tx.clock.now(),
    )


async def delete(tx: Tx, namespace: Namespace) -> None:
    _may_lose(namespace)
    await tx.run("DELETE FROM metadef_items WHERE namespace_id = ?", namespace.id)
    await tx.delete(NAMESPACES, namespace)


def _may_lose(namespace: Namespace) -> None:
    if namespace.protected:
        raise Forbidden("metadef.protected", f"Namespace {namespace.namespace} is protected; nothing in it is deleted.")


# -- what is in them


async def items(tx: Tx, namespace: Namespace, kind: Kind) -> list[Item]:
    where = Where().equal("namespace_id", namespace.id).equal("kind", kind)
    return await tx.select(ITEMS, where, order="created_at, name")


async def items_of(tx: Tx, namespaces: list[Namespace], kind: Kind) -> dict[str, list[Item]]:
    """By namespace id, with one query."""
    where = Where().equal("kind", kind).any_of("namespace_id", [namespace.id for namespace in namespaces])
    found: dict[str, list[Item]] = {namespace.id: [] for namespace in namespaces}
    for item in await tx.select(ITEMS, where, order="created_at, name"):
        found[item.namespace_id].append(item)
    return found


async def resource_types(tx: Tx) -> list[str]:
    """Those that everybody knows, then all that any namespace names: a type is nobody's own."""
    rows = await tx.rows("SELECT DISTINCT name FROM metadef_items WHERE kind = 'resource_type' ORDER BY name")
    return [*RESOURCE_TYPES, *(str(name) for (name,) in rows if name not in RESOURCE_TYPES)]


async def item(tx: Tx, namespace: Namespace, kind: Kind, name: str) -> Item:
    found = await tx.find(ITEMS, "namespace_id = ? AND kind = ? AND name = ?", namespace.id, kind, name)
    if found is None:
        noun = kind.replace("_", " ")
        raise NotFound("metadef.absent", f"The {noun} {name[:80]} was not found in namespace {namespace.namespace}.")
    return found


async def add(tx: Tx, namespace: Namespace, kind: Kind, name: str, body: dict[str, Any]) -> Item:
    now = tx.clock.now()
    new = Item(
        id=tx.ids.uuid(), namespace_id=namespace.id, kind=kind, name=name, body=body, created_at=now, updated_at=now
    )
    if not await tx.insert_new(ITEMS, new):
        noun = kind.replace("_", " ")
        raise Conflict("metadef.exists", f"The {noun} {name} already exists in namespace {namespace.namespace}.")
    return new


async def change(tx: Tx, namespace: Namespace, old: Item, name: str, body: dict[str, Any]) -> Item:
    if name != old.name:
        same = await tx.find(ITEMS, "namespace_id = ? AND kind = ? AND name = ?", namespace.id, old.kind, name)
        if same is not None:
            raise Conflict("metadef.exists", f"{name} already exists in namespace {namespace.namespace}.")
    return await tx.update(ITEMS, old, name=name, body=body, updated_at=tx.clock.now())


async def remove(tx: Tx, namespace: Namespace, kind: Kind, name: str) -> None:
    _may_lose(namespace)
    await tx.delete(ITEMS, await item(tx, namespace, kind, name))


async def remove_all(tx: Tx, namespace: Namespace, kind: Kind) -> None:
    _may_lose(namespace)
    await tx.run("DELETE FROM metadef_items WHERE namespace_id = ? AND kind = ?", namespace.id, kind)
