"""Bodies as S3's clients send them in signed chunks: the example of the signature's own specification, and what it
must not become."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from trivet.api.kit.request import NOBODY, Request
from trivet.api.s3 import documents, payload, signatures
from trivet.api.s3.signatures import Signature
from trivet.errors import Forbidden, TrivetError

SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
SIGNATURES = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
SCOPE, DATE = "20130524/us-east-1/s3/aws4_request", "20130524T000000Z"
KEY = signatures.signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", SCOPE)


def chunk(size: int, number: int, letter: bytes = b"a") -> bytes:
    return f"{size:x};chunk-signature={SIGNATURES[number]}\r\n".encode() + letter * size + b"\r\n"


WHOLE = chunk(65536, 0) + chunk(1024, 1) + chunk(0, 2)


async def read(raw: bytes, kind: str, step: int = 1000, **headers: str) -> bytes:
    said = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    request = Request("PUT", "/s3/b/k", said, b"", None)  # type: ignore[arg-type] # nothing of it is asked
    pieces = [raw[at : at + step] for at in range(0, len(raw), step)]

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    request.stream_from(receive)
    signed = Signature(NOBODY, KEY, SCOPE, DATE, SEED, kind)
    found: AsyncIterator[bytes] = payload.of(request, signed)
    return b"".join([piece async for piece in found])


@pytest.mark.parametrize("step", [1, 777, 1 << 20])
async def test_signed_chunks_are_read_however_they_arrive(step: int) -> None:
    assert await read(WHOLE, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", step) == b"a" * 66560


@pytest.mark.parametrize(
    "raw",
    [
        chunk(65536, 0, b"b") + chunk(1024, 1) + chunk(0, 2),
        chunk(65536, 0) + chunk(0, 2),
        chunk(65536, 0) + chunk(1024, 1),
        WHOLE[:-200],
        WHOLE + b"more",
        b"-1;chunk-signature=x\r\n",
        b"x" * 10000,
        b"",
        chunk(65536, 0)[:-2] + b"xx" + chunk(1024, 1),
    ],
)
async def test_chunks_that_are_not_as_they_were_signed_are_refused(raw: bytes) -> None:
    with pytest.raises((Forbidden, TrivetError)):
        await read(raw, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")


async def test_a_checksum_may_come_behind_the_bytes_and_must_be_theirs() -> None:
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n"
    kind = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert await read(body % b"NhCmhg==", kind, x_amz_trailer="x-amz-checksum-crc32") == b"hello"
    for wrong in (b"AAAAAA==", b"", b"?"):
        with pytest.raises(TrivetError):
            await read(body % wrong, kind, x_amz_trailer="x-amz-checksum-crc32")
    with pytest.raises(TrivetError):
        await read(b"5\r\nhello\r\n0\r\n\r\n", kind, x_amz_trailer="x-amz-checksum-crc32")


@pytest.mark.parametrize(
    "raw",
    [
        b"<!DOCTYPE a [<!ENTITY x 'y'>]><Delete>&x;</Delete>",
        b"<?php x?><Delete/>",
        b"<Delete>" + b"<a>" * 20 + b"</a>" * 20 + b"</Delete>",
        b"<Delete>",
        b"<Other/>",
        b"",
        b"\xff\xfe",
        b"<Delete>" + b"<a/>" * 70_000 + b"</Delete>",
    ],
)
async def test_a_document_that_is_more_than_elements_and_texts_is_refused(raw: bytes) -> None:
    with pytest.raises(TrivetError):
        await documents.parsed(raw, "Delete")


async def test_a_document_is_read_whatever_its_namespace() -> None:
    raw = b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a &amp; b</Key></Object></Delete>'
    assert (await documents.parsed(raw, "Delete")).all("Object")[0].said("Key") == "a & b"
