"""Places: where in a request an id can stand, found from the routes and from the types of their bodies.

A body's type is what its handler reads it as. So that a handler need not be known, it is listened to: it is sent a
body that it must refuse, and says on the way which type it wanted.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

from trivet.api.kit.request import Request
from trivet.api.kit.routes import Route

Path = tuple[str | int, ...]

_DEEP = 7
_HELD = {
    "uuid": "network_id", "net_id": "network_id", "networkId": "network_id", "network": "network_id",
    "imageRef": "image_id", "image": "image_id", "port": "port_id", "group": "server_group_id",
    "flavorRef": "flavor_id", "floating_network_id": "outside_id", "external_network_id": "outside_id",
    "tenant_id": "project_id", "project": "project_id", "object_id": "network_id", "target_tenant": "project_id",
    "device_id": "server_id", "remote_group_id": "security_group_id", "trustee_user_id": "user_id",
    "trustor_user_id": "user_id", "target_project": "project_id",
}  # fmt: skip


class Listening:
    """Which types handlers read their bodies as, while it is in place of `Request.read`."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self._read = Request.read

    def read(self) -> Any:
        heard, read = self.heard, self._read

        def listening(request: Request, kind: Any, *, strict: bool = True) -> Any:
            heard.append(kind)
            return read(request, kind, strict=strict)

        return listening


def in_path(route: Route) -> list[str]:
    return [name.removesuffix(":path") for name in re.findall(r"\{([^}]+)\}", route.path)]


def in_body(kinds: list[Any], good: Any) -> list[Path]:
    """Every text in the good body, and every text that the types have room for."""
    found = dict.fromkeys(_texts(good, ()))
    for kind in kinds:
        found |= dict.fromkeys(_rooms(inspect.type_info(kind), ()))
    return list(found)


def _texts(value: Any, at: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, (*at, name))
    elif isinstance(value, list):
        for n, inner in enumerate(value[:1]):
            yield from _texts(inner, (*at, n))
    elif isinstance(value, str):
        yield at


def _rooms(kind: inspect.Type, at: Path) -> Iterator[Path]:
    if len(at) > _DEEP:
        return
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from _rooms(field.type, (*at, field.encode_name))
    elif isinstance(kind, inspect.UnionType):
        for choice in kind.types:
            yield from _rooms(choice, at)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType | inspect.SetType | inspect.FrozenSetType):
        yield from _rooms(kind.item_type, (*at, 0))
    elif isinstance(kind, inspect.DictType):
        yield from _rooms(kind.value_type, (*at, "key"))
    elif isinstance(kind, inspect.StrType | inspect.UUIDType | inspect.AnyType | inspect.RawType | inspect.CustomType):
        yield at


def with_at(body: Any, kinds: list[Any], path: Path, value: Any, mine: dict[str, str]) -> Any:
    """The body with a value at a place. What lies above it and is not there yet is made as small as its type lets."""
    body = copy.deepcopy(body)
    whole: Any = {"": body}
    node: Any = whole
    step: Any = ""
    for n, name in enumerate(path):
        inner: Any = node[step] if not isinstance(node, dict) or step in node else None
        if not isinstance(inner, list if isinstance(name, int) else dict):
            made = [] if isinstance(name, int) else _smallest(_kind_at(kinds, path[:n]), mine, str(step))
            inner = node[step] = made if isinstance(made, list | dict) else {}
        if isinstance(name, int):
            item = _smallest(_kind_at(kinds, path[: n + 1]), mine, str(step))
            inner.extend(copy.deepcopy(item) for _ in range(name + 1 - len(inner)))
        node, step = inner, name
    node[step] = value
    return whole[""]


def smallest(kinds: list[Any], mine: dict[str, str]) -> Any:
    """What nearly passes as the first type that was asked for."""
    return _smallest(inspect.type_info(kinds[0]), mine, "") if kinds else {}


def _kind_at(kinds: list[Any], path: Path) -> inspect.Type | None:
    for kind in kinds:
        found = _descend(inspect.type_info(kind), path)
        if found is not None:
            return found
    return None


def _descend(kind: inspect.Type, path: Path) -> inspect.Type | None:
    if isinstance(kind, inspect.UnionType):
        return next((found for choice in kind.types if (found := _descend(choice, path)) is not None), None)
    if not path:
        return kind
    name, rest = path[0], path[1:]
    if isinstance(kind, inspect.StructType):
        fields = {field.encode_name: field.type for field in kind.fields}
        return _descend(fields[str(name)], rest) if name in fields else None
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return _descend(kind.item_type, rest)
    if isinstance(kind, inspect.DictType):
        return _descend(kind.value_type, rest)
    return None


def _smallest(kind: inspect.Type | None, mine: dict[str, str], name: str) -> Any:
    if isinstance(kind, inspect.UnionType):
        return _smallest(kind.types[0], mine, name)
    if isinstance(kind, inspect.StructType):
        return {
            field.encode_name: _smallest(field.type, mine, field.encode_name) for field in kind.fields if field.required
        }
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return [_smallest(kind.item_type, mine, name)] if kind.min_length else []
    if isinstance(kind, inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, inspect.IntType):
        return kind.ge if kind.ge is not None else 1
    if isinstance(kind, inspect.BoolType):
        return False
    if isinstance(kind, inspect.DictType | type(None)):
        return {}
    return mine.get(name, mine.get(_HELD.get(name, ""), "x"))
