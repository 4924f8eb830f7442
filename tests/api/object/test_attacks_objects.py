"""What hostile tenants say to the object store. The class: a manifest, a signature or an archive stands for more than
it is; whatever it stands for is looked at once, in bounded pieces, by the rights of who asks.
"""

import asyncio
import contextlib
import hmac
import io
import json
import tarfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.object.object_cloud import ACCOUNT, Cloud, cloud
from tests.api.one_service import MINE, THEIRS

from trivet.domain.limits import limits
from trivet.domain.objects import uploads
from trivet.store.store import transact
from trivet.store.tx import Tx

__all__ = ["cloud"]

STRANGER_WRITES = {"x_container_read": f"{THEIRS}:*", "x_container_write": f"{THEIRS}:*"}


async def put_manifest(cloud: Cloud, path: str, *rows: dict[str, str], status: int = 201) -> None:
    body = json.dumps(rows).encode()
    answer = await cloud.call("PUT", f"{ACCOUNT}/{path}?multipart-manifest=put", body)
    assert answer.status == status, answer.raw


async def test_a_copy_reads_no_segment_that_its_caller_may_not_read(cloud: Cloud) -> None:
    await cloud.put("private")
    await cloud.put("private/secret", b"nobody else's")
    await cloud.put("drop", **STRANGER_WRITES)
    dynamic = {"who": "stranger", "x_object_manifest": "private/sec"}
    assert (await cloud.call("PUT", f"{ACCOUNT}/drop/whole", **dynamic)).status == 201
    assert (await cloud.call("GET", f"{ACCOUNT}/drop/whole", who="stranger")).status == 403
    copied = await cloud.call("COPY", f"{ACCOUNT}/drop/whole", who="stranger", destination="drop/copy")
    assert copied.status == 403, copied.raw
    said = {"x_copy_from": "drop/whole", "x_copy_from_account": f"AUTH_{MINE}"}
    await cloud.call("PUT", f"/v1/AUTH_{THEIRS}/box", who="stranger")
    assert (await cloud.call("PUT", f"/v1/AUTH_{THEIRS}/box/x", who="stranger", **said)).status == 403


async def test_large_objects_of_large_objects_are_looked_at_once_each(cloud: Cloud) -> None:
    """Ten deep, with a hundred names each, they would name more parts than anybody can look at."""
    await cloud.put("box", x_container_read=f"{THEIRS}:*")
    await cloud.put("box/0", b"x")
    for level in range(1, 8):
        await put_manifest(cloud, f"box/{level}", *[{"path": f"/box/{level - 1}", "range": "0-0"}] * 100)
    async with asyncio.timeout(20):
        found = await cloud.call("GET", f"{ACCOUNT}/box/7", who="stranger", range="bytes=0-2")
    assert (found.status, found.raw) == (206, b"xxx")


async def test_a_sum_of_sizes_stays_a_number(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/0", b"x" * 1000)
    for level in range(1, 5):
        await put_manifest(cloud, f"box/{level}", *[{"path": f"/box/{level - 1}"}] * 1000)
    await put_manifest(cloud, "box/5", *[{"path": "/box/4"}] * 1000, status=413)


async def test_a_signature_by_a_containers_key_opens_no_other_container(cloud: Cloud) -> None:
    await cloud.put("private")
    await cloud.put("private/secret", b"other")
    await cloud.put("box", x_container_meta_temp_url_key="inner")
    await cloud.put("box/part", b"own")
    await cloud.put("box/across", x_object_manifest="private/sec")
    await cloud.put("box/within", x_object_manifest="box/par")

    async def signed(key: str, path: str, method: str = "GET", more: str = "", body: bytes = b"") -> Any:
        end = int(cloud.clock.now()) + 1000
        made = hmac.digest(key.encode(), f"{method}\n{end}\n{ACCOUNT}/{path}".encode(), "sha256").hex()
        asked = f"{ACCOUNT}/{path}?temp_url_sig={made}&temp_url_expires={end}{more}"
        return await cloud.call(method, asked, body, who="nobody")

    assert (await signed("inner", "box/within")).raw == b"own"
    assert (await signed("inner", "box/across")).status == 401
    await cloud.call("POST", ACCOUNT, x_account_meta_temp_url_key="outer")
    assert (await signed("outer", "box/across")).raw == b"other"
    # It is for one object, and not for whatever an archive holds.
    told = await signed("inner", "box/new", "PUT", "&extract-archive=tar", archive({"a": b"1"}))
    assert told.status == 401
    assert await cloud.names("box") == ["across", "part", "within"]


def archive(files: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:bz2" if len(files) > 1 else "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()


async def limited(cloud: Cloud, most: int) -> None:
    async def act(tx: Tx) -> None:
        await limits.set_limit(tx, MINE, "object_bytes", most)

    await transact(cloud.store, act)


async def test_what_comes_without_end_ends_where_the_limit_does(cloud: Cloud) -> None:
    await cloud.put("box")
    await limited(cloud, 4 << 20)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 << 20:
            sent += 1 << 18
            yield bytes(1 << 18)

    with pytest.raises(Exception, match=r"[Qq]uota"):
        await uploads.receive(cloud.parts, uploads.Room(MINE), endless())
    assert sent <= 6 << 20
    assert cloud.blobs() == []
    # Several at once share what room there is.
    sent = 0
    several = [uploads.receive(cloud.parts, uploads.Room(MINE), endless()) for _ in range(8)]
    done = await asyncio.gather(*several, return_exceptions=True)
    assert all(isinstance(one, Exception) for one in done)
    assert sent <= 32 << 20
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/fits", bytes(3 << 20))).status == 201


async def test_an_archive_unpacks_to_no_more_than_there_is_room_for(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cloud.put("box")
    await limited(cloud, 1 << 20)
    bomb = archive({f"{number}": bytes(8 << 20) for number in range(4)})
    unpacked = 0
    receive = uploads.receive

    async def counting(parts: Any, room: Any, chunks: AsyncIterator[bytes]) -> Any:
        async def passed() -> AsyncIterator[bytes]:
            nonlocal unpacked
            async for chunk in chunks:
                unpacked += len(chunk)
                yield chunk

        return await receive(parts, room, passed())

    monkeypatch.setattr(uploads, "receive", counting)
    told = await cloud.call("PUT", f"{ACCOUNT}/box?extract-archive=tar.bz2", bomb, accept="application/json")
    assert "Number Files Created" in json.loads(told.raw), told.raw
    assert unpacked < 2 << 20, "what has no room is not unpacked"
    assert await cloud.names("box") == []


async def test_a_list_reads_neither_manifests_nor_headers(cloud: Cloud) -> None:
    """They are megabytes, and a list has thousands of rows."""
    await cloud.put("box")
    row = {"data": "YWJj" * 100_000}
    await put_manifest(cloud, "box/large", row)
    await cloud.put("box/plain", b"x", x_object_meta_color="blue")
    await cloud.put("box/link", x_symlink_target="box/plain")
    read: list[object] = []
    async with cloud.store.read() as tx:
        plain = type(tx).rows

    async def listening(self: Tx, sql: str, *values: Any) -> Any:
        found = await plain(self, sql, *values)
        read.extend(value for one in found for value in one)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(tx), "rows", listening)
        listed = json.loads((await cloud.get("box?format=json")).raw)
    assert max(len(str(value)) for value in read) < 1000
    rows = {one["name"]: one for one in listed}
    assert rows["large"]["slo_etag"] == f'"{rows["large"]["hash"]}"'
    assert rows["link"]["symlink_path"] == f"/v1/AUTH_{MINE}/box/plain"
    assert "slo_etag" not in rows["plain"]


async def test_full_folders_are_jumped_over_and_not_read(cloud: Cloud) -> None:
    await cloud.put("box")
    for folder in "abcdef":
        for number in range(60):
            await cloud.put(f"box/{folder}/{number}")
    read = 0
    async with cloud.store.read() as tx:
        plain = type(tx).rows

    async def listening(self: Tx, sql: str, *values: Any) -> Any:
        nonlocal read
        found = await plain(self, sql, *values)
        read += len(found)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(tx), "rows", listening)
        assert await cloud.names("box?delimiter=/") == [f"{folder}/" for folder in "abcdef"]
    assert read < 60, "more than a folder's worth"
    for query in (
        "prefix=%F4%8F%BF%BF",
        "prefix=%F4%8F%BF%BF&delimiter=x",
        "marker=%F4%8F%BF%BF&delimiter=%F4%8F%BF%BF",
    ):
        assert (await cloud.get(f"box?{query}")).status in (200, 204)


async def test_others_are_answered_between_the_parts_of_what_is_long(cloud: Cloud) -> None:
    await cloud.put("box")
    for number in range(300):
        await cloud.put(f"box/part{number:04}", b"x")
    await cloud.put("box/whole", x_object_manifest="box/part")
    names = "\n".join(f"box/nothing{number}" for number in range(300)).encode()
    for method, path, body in (
        ("GET", f"{ACCOUNT}/box/whole", b""),
        ("POST", f"{ACCOUNT}?bulk-delete", names),
    ):
        turns = 0
        done = asyncio.ensure_future(cloud.call(method, path, body))
        while not done.done():
            await asyncio.sleep(0)
            turns += 1
        assert done.result().status == 200
        assert turns > 300, (method, turns)


async def test_a_strangers_list_of_deletions_is_not_read(cloud: Cloud) -> None:
    answer = await cloud.call("POST", f"{ACCOUNT}?bulk-delete", [b"box/x\n" * 100, None], who="nobody")
    assert answer.status == 401


async def test_no_head_of_an_answer_has_a_line_of_a_tenants_own(cloud: Cloud) -> None:
    """The content type of a file in a form is the only one that no parser of heads has seen."""
    await cloud.put("box", x_container_meta_temp_url_key="k")
    end = int(cloud.clock.now()) + 1000
    words = [f"{ACCOUNT}/box/", "", "1000", "1", str(end)]
    made = hmac.digest(b"k", "\n".join(words).encode(), "sha256").hex()
    fields = {"redirect": "", "max_file_size": "1000", "max_file_count": "1", "expires": str(end), "signature": made}
    parts = [
        f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    parts.append(
        '--b\r\ncontent-disposition: form-data; name="f"; filename="x"\r\n'
        "content-type: text/html\nset-cookie: a=b\r\n\r\nhello\r\n--b--\r\n"
    )
    how = {"content_type": "multipart/form-data; boundary=b", "who": "nobody"}
    answer = await cloud.call("POST", f"{ACCOUNT}/box/", "".join(parts).encode(), **how)
    assert answer.status == 400, answer.raw
    assert await cloud.names("box") == []


async def test_a_log_has_no_line_of_a_tenants_own(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """Nor a traceback for what he alone has broken: he may ask for it all day."""
    await cloud.put("box")
    await cloud.put("box/0", b"x" * 200_000)
    await cloud.put("box/1", b"y" * 200_000)
    await put_manifest(cloud, "box/a%0AERROR all is lost", {"path": "/box/0"}, {"path": "/box/1"})
    await cloud.call("DELETE", f"{ACCOUNT}/box/1")
    with contextlib.suppress(Exception):
        await cloud.get("box/a\nERROR all is lost")
    with contextlib.suppress(Exception):
        await cloud.get("box/a%0AERROR all is lost")
    said = [record for record in caplog.records if "broke off" in record.getMessage()]
    assert said, "it breaks in the middle"
    assert not any("\n" in record.getMessage() or record.exc_info for record in said)
