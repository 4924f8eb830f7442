"""Versions with ids in Swift's words: listed, read, deleted for good, and made what is read again."""

import hashlib
import hmac
from typing import Any

import pytest
from tests.api.object.object_cloud import ACCOUNT, Cloud, cloud
from tests.api.one_service import Answer

__all__ = ["cloud"]


async def versions(cloud: Cloud, query: str = "versions&format=json", **how: Any) -> list[Any]:
    found: list[Any] = (await cloud.get(f"c?{query}", **how)).body
    return found


async def three(cloud: Cloud) -> list[str]:
    """The ids of three contents of one object, the oldest first."""
    await cloud.put("c", x_versions_enabled="true")
    ids = []
    for text in (b"one", b"two", b"three"):
        answer = await cloud.put("c/o", text, content_type="text/x", x_object_meta_is=text.decode())
        ids.append(answer.headers["x-object-version-id"])
    return ids


async def of(cloud: Cloud, id: str, method: str = "GET", name: str = "o", **how: Any) -> Answer:
    return await cloud.call(method, f"{ACCOUNT}/c/{name}?version-id={id}", **how)


async def current(cloud: Cloud) -> tuple[int, bytes]:
    answer = await cloud.get("c/o")
    return answer.status, answer.raw


async def test_each_version_is_listed_and_read_by_its_id(cloud: Cloud) -> None:
    ids = await three(cloud)
    listed = await versions(cloud)
    assert [(one["name"], one["version_id"], one["is_latest"], one["bytes"]) for one in listed] == [
        ("o", ids[2], True, 5), ("o", ids[1], False, 3), ("o", ids[0], False, 3)
    ]  # fmt: skip
    assert (listed[1]["hash"], listed[1]["content_type"]) == (hashlib.md5(b"two").hexdigest(), "text/x")
    for id, text in zip(ids, (b"one", b"two", b"three"), strict=True):
        answer = await of(cloud, id)
        assert (answer.status, answer.raw, answer.headers["x-object-version-id"]) == (200, text, id)
        assert answer.headers["x-object-meta-is"] == text.decode()
    head = await of(cloud, ids[0], "HEAD")
    assert (head.status, head.headers["content-length"], head.raw) == (200, "3", b"")
    part = await of(cloud, ids[0], range="bytes=1-")
    assert (part.status, part.raw) == (206, b"ne")
    assert await cloud.names("c") == ["o"]
    assert (await of(cloud, "0" * 32)).status == 404


async def test_a_deletion_leaves_a_mark_and_what_was_is_made_current_again(cloud: Cloud) -> None:
    ids = await three(cloud)
    gone = await cloud.call("DELETE", f"{ACCOUNT}/c/o")
    mark = gone.headers["x-object-version-id"]
    assert (gone.status, await current(cloud)) == (204, (404, (await cloud.get("c/o")).raw))
    listed = await versions(cloud)
    assert (listed[0]["version_id"], listed[0]["is_latest"]) == (mark, True)
    assert listed[0]["content_type"] == "application/x-deleted;swift_versions_deleted=1"
    assert [one["is_latest"] for one in listed[1:]] == [False] * 3
    answer = await of(cloud, mark)
    assert (answer.status, answer.headers["x-object-version-id"]) == (404, mark)
    restored = await of(cloud, ids[1], "PUT")
    assert (restored.status, restored.headers["x-object-version-id"]) == (201, ids[1])
    assert await current(cloud) == (200, b"two")
    assert [one["version_id"] for one in await versions(cloud) if one["is_latest"]] == [ids[1]]
    assert {one["version_id"] for one in await versions(cloud)} == {*ids, mark}


async def test_what_is_made_current_keeps_what_was_and_moves_no_bytes(cloud: Cloud) -> None:
    ids = await three(cloud)
    blobs = await cloud.kept()
    assert (await of(cloud, ids[0], "PUT")).status == 201
    assert await current(cloud) == (200, b"one")
    assert (await of(cloud, ids[2])).raw == b"three"
    assert {one["version_id"] for one in await versions(cloud)} == set(ids)
    await cloud.tidy()
    assert await cloud.kept() == blobs
    assert (await of(cloud, ids[0], "PUT")).status == 201
    head = await cloud.call("HEAD", f"{ACCOUNT}/c")
    assert head.headers["x-container-bytes-used"] == "11"
    assert (await of(cloud, "0" * 32, "PUT")).status == 404
    assert (await cloud.call("PUT", f"{ACCOUNT}/c/o?version-id={ids[1]}", b"bytes")).status == 400


async def test_a_version_is_deleted_for_good_and_gives_its_bytes_back(cloud: Cloud) -> None:
    ids = await three(cloud)
    blobs = await cloud.kept()
    answer = await of(cloud, ids[0], "DELETE")
    assert (answer.status, answer.headers["x-object-current-version-id"]) == (204, ids[2])
    assert (await of(cloud, ids[0])).status == 404
    assert await current(cloud) == (200, b"three")
    await cloud.tidy()
    assert await cloud.kept() == blobs - 1
    answer = await of(cloud, ids[2], "DELETE")
    assert (answer.status, answer.headers["x-object-current-version-id"]) == (204, "null")
    assert (await current(cloud))[0] == 404, "what was before comes back only when it is asked for"
    assert [one["is_latest"] for one in await versions(cloud)] == [False]
    assert (await of(cloud, ids[1], "PUT")).status == 201
    assert await current(cloud) == (200, b"two")
    assert (await of(cloud, ids[1], "DELETE")).status == 204
    head = await cloud.call("HEAD", f"{ACCOUNT}/c")
    assert (head.headers["x-container-bytes-used"], head.headers["x-container-object-count"]) == ("0", "0")
    assert (await cloud.call("DELETE", f"{ACCOUNT}/c")).status == 204


async def test_lists_of_versions_go_on_behind_a_version(cloud: Cloud) -> None:
    ids = await three(cloud)
    await cloud.put("c/p", b"other")
    found = await versions(cloud, f"versions&format=json&limit=2&marker=o&version_marker={ids[1]}")
    assert (found[0]["name"], found[0]["version_id"]) == ("o", ids[0])
    assert found[1]["name"] == "p"
    assert (await cloud.get(f"c?versions&version_marker={ids[1]}")).status == 400
    assert [one["name"] for one in await versions(cloud, "versions&format=json&end_marker=p")] == ["o"] * 3
    folded = await versions(cloud, "versions&format=json&delimiter=o")
    assert folded[0] == {"subdir": "o"}
    assert (await cloud.get("c?versions&reverse=true")).status == 400
    assert (await cloud.get("c?versions")).raw == b"o\no\no\np\n"
    text = (await cloud.get("c?versions&format=xml")).raw.decode()
    assert text.count("<version_id>") == 4


async def test_what_was_written_before_versions_were_kept_is_null(cloud: Cloud) -> None:
    await cloud.put("c")
    await cloud.put("c/o", b"zero")
    assert [(one["version_id"], one["is_latest"]) for one in await versions(cloud)] == [("null", True)]
    assert (await of(cloud, "null")).raw == b"zero"
    assert (await of(cloud, "0" * 32)).status == 400
    await cloud.call("POST", f"{ACCOUNT}/c", x_versions_enabled="true")
    await cloud.put("c/o", b"one")
    assert (await of(cloud, "null")).raw == b"zero"
    assert (await of(cloud, "null", "DELETE")).status == 204
    assert (await of(cloud, "null")).status == 404


async def test_who_may_read_what_is_may_read_what_was_and_nobody_else(cloud: Cloud) -> None:
    ids = await three(cloud)
    assert (await of(cloud, ids[0], who="stranger")).status == 403
    assert (await cloud.get("c?versions", who="stranger")).status == 403
    await cloud.call("POST", f"{ACCOUNT}/c", x_container_read=".r:*,.rlistings")
    assert (await of(cloud, ids[0], who="stranger")).raw == b"one"
    for method in ("DELETE", "PUT"):
        assert (await of(cloud, ids[0], method, who="stranger")).status == 403
    assert (await of(cloud, ids[0], "POST")).status == 400
    assert (await of(cloud, ids[0], "COPY", destination="c/q")).status == 400


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_a_temporary_url_is_for_what_is_and_not_for_what_was(cloud: Cloud, method: str) -> None:
    ids = await three(cloud)
    await cloud.call("POST", ACCOUNT, x_account_meta_temp_url_key="key")
    ends = int(cloud.clock.now()) + 100
    signed = hmac.new(b"key", f"{method}\n{ends}\n{ACCOUNT}/c/o".encode(), "sha256").hexdigest()
    query = f"temp_url_sig={signed}&temp_url_expires={ends}"
    path = f"{ACCOUNT}/c/o?{query}"
    assert (await cloud.call(method, f"{path}&version-id={ids[0]}", who="nobody")).status == 401
    assert (await cloud.call(method, path, who="nobody")).status in (200, 201, 204)
    assert (await of(cloud, ids[0])).raw == b"one"
