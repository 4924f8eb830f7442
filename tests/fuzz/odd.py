"""Odd things that clients send: bodies, values inside good bodies, queries, paths, headers."""

import json
from collections.abc import Iterator
from typing import Any

DEEP = 1000

RAW_BODIES: list[bytes] = [
    b"",
    b" ",
    b"{",
    b"null",
    b"true",
    b"0",
    b"-1e999",
    b"NaN",
    b'{"a": NaN}',
    b'"text"',
    b"[]",
    b"[[]]",
    b"[{}]",
    b"{}",
    b'{"": ""}',
    b'{"a": 1, "a": 2}',
    b"[" * DEEP + b"]" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b"[" * 100_000,
    b'{"a": 1' + b"0" * 5000 + b"}",
    b'{"a": "\\ud800"}',
    b'{"a": "\\u0000"}',
    b'{"a": "\x00"}',
    b"\xff\xfe{}",
    b'{"a": "\xff"}',
    b"\xef\xbb\xbf{}",
    b"<xml/>",
    b"a=b&c=d",
    b"{}{}",
    b'{"a": "' + b"x" * 200_000 + b'"}',
    json.dumps({f"k{n}": n for n in range(5000)}).encode(),
]

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**31,
    2**63,
    -(2**70),
    1e308,
    "",
    " ",
    "x" * 300,
    "x" * 70_000,
    "\0",
    "a\0b",
    "\ud800",
    "\U0001f600",
    "\u00b2",
    "\u202eabc",
    "%s%n%x",
    "'; DROP TABLE servers; --",
    "../../etc/passwd",
    "10.0.0.0/99",
    "::ffff:10.0.0.1",
    "9999-99-99T99:99:99Z",
    [],
    [None],
    [[]],
    [{}],
    ["x"] * 300,
    {},
    {"": None},
    {"x": {"y": {"z": []}}},
    {"id": "00000000-0000-4000-8000-000000000000"},
]

QUERIES: list[bytes] = [
    b"limit=-1",
    b"limit=0",
    b"limit=1e9",
    b"limit=99999999999999999999999",
    b"limit=x",
    b"limit=",
    b"limit=1&limit=2",
    b"marker=nonsense",
    b"marker=%00",
    b"marker=00000000-0000-4000-8000-000000000000",
    b"sort_key=;drop",
    b"sort_key=id&sort_dir=sideways",
    b"sort_key=&sort_dir=",
    b"sort=name:up,id:down",
    b"sort=:::,,,",
    b"offset=-5",
    b"page_reverse=maybe",
    b"limit=%C2%B2&offset=%C2%B2&minRam=%C2%B2&minDisk=%C2%B2&size_min=%C2%B2&after=%C2%B2",
    b"limit=%D9%A1%D9%A2&offset=1_0&minRam=%D9%A1",
    b"limit=--5&offset=--5",
    b"limit=" + b"9" * 5000,
    b"fields=nothing&fields=%00",
    b"name=%ff%fe",
    b"name=%F0%9F%98%80",
    b"name=a%00b",
    b"name=in:&status=in:,,",
    b"id=1&id=2&id=3",
    b"changes-since=yesterday",
    b"changes-since=9999-99-99",
    b"created_at=gt:nonsense",
    b"updated_at=2020-01-01T00:00:00",
    b"size_min=-1&size_max=x",
    b"ip=%5B%28&ip6=%2A",
    b"fixed_ips=ip_address%3D",
    b"fixed_ips=ip_address%3Dx&fixed_ips=y",
    b"tags=&tags-any=,&not-tags=%2C",
    b"resources=VCPU",
    b"resources=VCPU:99999999999999999999",
    b"resources1=VCPU:1&group_policy=x",
    b"required=&member_of=in:",
    b"in_tree=x&name=y&uuid=z",
    b"start=x&end=y&detailed=7",
    b"all_tenants=perhaps",
    b"user.id=&scope.project.id=%00&effective=5",
    b"enabled=x&domain_id=&parent_id=%2e%2e",
    b"is_public=sometimes&minRam=x&minDisk=-3",
    b"versionless",
    b"&&&===&;;",
    b"%",
    b"%zz=%zz",
    b"x" * 8000,
    b"&".join(b"k%d=v" % n for n in range(500)),
]

SEGMENTS: list[str] = [
    "..",
    ".",
    "%2e%2e",
    "%00",
    "\0",
    "a\0b",
    "\U0001f600",
    "\ufffd",
    "x" * 5000,
    " ",
    "'; DROP TABLE servers; --",
    "*",
    "1e9",
    "99999999999999999999999999",
    "-1",
    "\u00b2",
    "null",
    "{id}",
]

HEADERS: list[list[tuple[bytes, bytes]]] = [
    [(b"content-type", b"text/plain")],
    [(b"content-type", b"application/xml; charset=klingon")],
    [(b"content-type", b"\xff")],
    [(b"content-type", b"")],
    [(b"accept", b"application/pdf")],
    [(b"openstack-api-version", b"compute 99999.1")],
    [(b"openstack-api-version", b"compute latest,placement -1")],
    [(b"openstack-api-version", b",,,,  ,")],
    [(b"openstack-api-version", b"\xff\x00")],
    [(b"x-openstack-nova-api-version", b"2.x")],
    [(b"host", b"\xff/../'\"<>")],
    [(b"host", b"")],
    [(b"range", b"bytes=9-1,x")],
    [(b"range", b"bytes=" + b"9" * 5000 + b"-")],
    [(b"content-range", b"bytes 0-" + b"9" * 5000 + b"/*")],
    [(b"if-match", b"revision_number=\xb2")],
    [(b"if-match", b"revision_number=" + b"9" * 5000)],
    [(b"if-match", b"\xff")],
    [(b"x-subject-token", b"\xff")],
    [(b"x-auth-token", b"\xff\x00.\xff.\xff")],
    [(b"x-auth-token", b"a.b.c")],
    [(b"x-auth-token", b"e30.e30." + b"A" * 86)],
    [(b"authorization", b"OAuth =,,,")],
    [(b"x-%d" % n, b"v") for n in range(1000)],
]


def odd_versions(good: Any) -> Iterator[Any]:
    """A good body with one leaf or branch replaced, taken away, or with a stranger beside it."""
    for path in list(_paths(good)):
        for value in VALUES:
            yield _with(good, path, value)
        if path:
            yield _without(good, path)
        if isinstance(_at(good, path), dict):
            yield _with(good, (*path, "no such field"), 1)


Path = tuple[str | int, ...]


def _paths(value: Any, at: Path = ()) -> Iterator[Path]:
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:2]):
            yield from _paths(inner, (*at, index))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, dict):
        return value | {path[0]: _with(value.get(path[0]), path[1:], new)}
    return [_with(inner, path[1:], new) if index == path[0] else inner for index, inner in enumerate(value)]


def _without(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        if len(path) == 1:
            return {key: inner for key, inner in value.items() if key != path[0]}
        return value | {path[0]: _without(value[path[0]], path[1:])}
    if len(path) == 1:
        return [inner for index, inner in enumerate(value) if index != path[0]]
    return [_without(inner, path[1:]) if index == path[0] else inner for index, inner in enumerate(value)]
