"""Documents: the XML that S3's clients send, read within bounds, and what is answered to them.

Nothing is read but elements and their texts: whoever declares a type or an entity is refused, so nothing can expand or
reach out; how deep and how many is bounded, too.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from trivet.api.kit.request import Reply, Request
from trivet.api.object import incoming
from trivet.errors import Invalid

XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
BODY_MAX = 2 << 20
_DEPTH_MAX = 8
_ELEMENTS_MAX = 60_000
_ASIDE_BYTES = 16 * 1024


class Element:
    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self.children: list[Element] = []

    def all(self, name: str) -> "list[Element]":
        return [child for child in self.children if child.name == name]

    def said(self, name: str) -> str:
        """The text of the first child of that name; nothing, if there is none."""
        return next((child.text for child in self.children if child.name == name), "")


class _Reader:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, name: str, _: Any) -> None:
        self._count += 1
        if len(self._open) >= _DEPTH_MAX or self._count > _ELEMENTS_MAX:
            raise _malformed()
        element = Element(name.rpartition(":")[2])
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _: str) -> None:
        self._open.pop()

    def text(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data

    def refuse(self, *_: Any) -> None:
        raise _malformed()


async def parsed(raw: bytes, root: str) -> Element:
    """A long one in a thread: it is read in one piece, and others' requests are not to wait for that."""
    if len(raw) <= _ASIDE_BYTES:
        return _parsed(raw, root)
    return await asyncio.to_thread(_parsed, raw, root)


def _parsed(raw: bytes, root: str) -> Element:
    reader, parser = _Reader(), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = reader.refuse
    parser.ProcessingInstructionHandler = reader.refuse
    try:
        parser.Parse(raw, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _malformed() from error
    if reader.root is None or reader.root.name != root:
        raise _malformed()
    return reader.root


def _malformed() -> Invalid:
    return Invalid(
        "xml.malformed",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )


async def whole(chunks: Any) -> bytes:
    """A document, not an object: bounded."""
    raw = bytearray()
    async for chunk in chunks:
        raw += chunk
        if len(raw) > BODY_MAX:
            raise Invalid("body.too_large", f"Your request was too big; it may have {BODY_MAX} bytes.")
    return bytes(raw)


# -- answers

Content = str | int | bool | None | Iterable[tuple[str, Any]]


def element(name: str, content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, bool):
        inner = "true" if content else "false"
    elif isinstance(content, str):
        inner = _text(content)
    elif isinstance(content, int):
        inner = str(content)
    else:
        inner = "".join(element(child, said) for child, said in content)
    return f"<{name}>{inner}</{name}>"


def _text(said: str) -> str:
    """A carriage return would be read as something else; what XML cannot say is not said."""
    fine = "".join(char if char >= " " or char in "\t\n\r" else "\ufffd" for char in said)
    return escape(fine, {"\r": "&#13;", '"': "&quot;"})


def reply(name: str, content: Content, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> Reply:
    body = element(name, content).replace(f"<{name}>", f'<{name} xmlns="{XMLNS}">', 1)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'
    return Reply(status, text.encode(errors="replace"), headers, content_type="application/xml")


def moment(at: float) -> str:
    return datetime.fromtimestamp(int(at * 1000) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


async def drained(request: Request) -> None:
    """Of a request whose body says nothing."""
    async for _ in incoming.body(request):
        pass
