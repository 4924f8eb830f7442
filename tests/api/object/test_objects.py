"""Objects: in and out, whole and in parts, on conditions, and what is said of them."""

import hashlib
import os

from tests.api.object.object_cloud import ACCOUNT, Cloud, cloud
from tests.api.one_service import THEIRS

__all__ = ["cloud"]

MIB = 1 << 20


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


async def test_an_object_comes_back_as_it_was_said(cloud: Cloud) -> None:
    await cloud.put("box")
    for content in (b"", b"few", os.urandom(3 * MIB + 5)):
        made = await cloud.put("box/some/näme%", content, content_type="text/x", x_object_meta_color="blé")
        assert made.headers["etag"] == md5(content)
        found = await cloud.get("box/some/näme%")
        assert found.status == 200
        assert found.raw == content
        assert found.headers["content-type"] == "text/x"
        assert found.headers["content-length"] == str(len(content))
        assert found.headers["x-object-meta-color"].encode("latin-1").decode() == "blé"
        assert found.headers["accept-ranges"] == "bytes"
        looked = await cloud.call("HEAD", f"{ACCOUNT}/box/some/näme%")
        assert (looked.status, looked.raw, looked.headers["content-length"]) == (200, b"", str(len(content)))


async def test_slashes_at_a_names_ends_belong_to_it(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/dir/", b"a")
    await cloud.put("box//dir", b"b")
    assert await cloud.names("box") == ["/dir", "dir/"]
    assert (await cloud.get("box/dir/")).raw == b"a"
    assert (await cloud.get("box/dir")).status == 404


async def test_what_is_not_there_or_too_long_is_said(cloud: Cloud) -> None:
    assert (await cloud.get("none")).status == 404
    assert (await cloud.get("none/x")).status == 404
    assert (await cloud.call("PUT", f"{ACCOUNT}/none/x", b"1")).status == 404
    await cloud.put("box")
    assert (await cloud.call("PUT", f"{ACCOUNT}/{'c' * 257}")).status == 400
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/{'o' * 1025}", b"1")).status == 400
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/{'o' * 1024}", b"1")).status == 201
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/a\0b", b"1")).status == 412
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/x", b"1", x_object_meta_a="v" * 257)).status == 400
    many = {f"x_object_meta_{number}": "v" for number in range(91)}
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/x", b"1", **many)).status == 400
    refused = await cloud.get("box/none")
    assert refused.raw == b"<html><h1>Not Found</h1><p>The resource could not be found.</p></html>"
    assert refused.headers["x-trans-id"].startswith("tx")


async def test_an_upload_whose_etag_is_another_leaves_nothing(cloud: Cloud) -> None:
    await cloud.put("box")
    for size in (3, 2 * MIB):
        answer = await cloud.call("PUT", f"{ACCOUNT}/box/x", b"x" * size, etag=md5(b"y"))
        assert answer.status == 422
    assert await cloud.kept() == 0
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/x", b"x", etag=f'"{md5(b"x")}"')).status == 201


async def test_a_client_that_dies_on_the_way_leaves_what_was_there(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"before")
    for first in (b"half", b"h" * (2 * MIB)):
        answer = await cloud.call("PUT", f"{ACCOUNT}/box/x", [first, None])
        assert answer.status == 400
    assert (await cloud.get("box/x")).raw == b"before"
    assert await cloud.kept() == 1


async def test_a_body_that_says_no_length_needs_to_come_in_chunks(cloud: Cloud) -> None:
    await cloud.put("box")
    answer = await cloud.call("PUT", f"{ACCOUNT}/box/x", [b"one", b"two", b"", b"three"])
    assert answer.status == 201
    assert (await cloud.get("box/x")).raw == b"onetwothree"


async def test_ranges(cloud: Cloud) -> None:
    await cloud.put("box")
    content = os.urandom(400_000)
    await cloud.put("box/x", content)
    for said, first, last in (
        ("0-9", 0, 9),
        ("399990-", 399990, 399999),
        ("-5", 399995, 399999),
        ("5-999999", 5, 399999),
    ):
        found = await cloud.get("box/x", range=f"bytes={said}")
        assert found.status == 206
        assert found.raw == content[first : last + 1]
        assert found.headers["content-range"] == f"bytes {first}-{last}/400000"
    outside = await cloud.get("box/x", range="bytes=400000-")
    assert outside.status == 416
    assert outside.headers["content-range"] == "bytes */400000"
    assert (await cloud.get("box/x", range="lines=1-2")).status == 200
    several = await cloud.get("box/x", range="bytes=0-1,10-11,500000-")
    assert several.status == 206
    boundary = several.headers["content-type"].partition("boundary=")[2]
    assert several.headers["content-length"] == str(len(several.raw))
    assert several.raw.count(f"--{boundary}".encode()) == 3
    assert content[10:12] in several.raw
    since = (await cloud.get("box/x")).headers["etag"]
    assert (await cloud.get("box/x", range="bytes=0-1", if_range=since)).status == 206
    assert (await cloud.get("box/x", range="bytes=0-1", if_range='"other"')).status == 200


async def test_conditions(cloud: Cloud) -> None:
    await cloud.put("box")
    etag = (await cloud.put("box/x", b"one", if_none_match="*")).headers["etag"]
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/x", b"two", if_none_match="*")).status == 412
    assert (await cloud.get("box/x", if_match="nothing")).status == 412
    assert (await cloud.get("box/x", if_match=f'"a", "{etag}"')).status == 200
    unchanged = await cloud.get("box/x", if_none_match=etag)
    assert (unchanged.status, unchanged.raw) == (304, b"")
    changed = (await cloud.get("box/x")).headers["last-modified"]
    assert (await cloud.get("box/x", if_modified_since=changed)).status == 304
    assert (await cloud.get("box/x", if_modified_since="Sat, 01 Jan 2000 00:00:00 GMT")).status == 200
    assert (await cloud.get("box/x", if_unmodified_since="Sat, 01 Jan 2000 00:00:00 GMT")).status == 412
    assert (await cloud.get("box/x", if_unmodified_since=changed)).status == 200
    assert (await cloud.get("box/x")).raw == b"one"


async def test_what_is_said_of_an_object_is_replaced_as_a_whole(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"one", x_object_meta_a="1", content_encoding="gzip", content_type="text/a")
    assert (await cloud.call("POST", f"{ACCOUNT}/box/x", x_object_meta_b="2")).status == 202
    found = await cloud.get("box/x")
    assert "x-object-meta-a" not in found.headers
    assert "content-encoding" not in found.headers
    assert found.headers["x-object-meta-b"] == "2"
    assert found.headers["content-type"] == "text/a"
    assert found.raw == b"one"


async def test_copies_share_their_bytes_and_outlive_each_other(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("other")
    await cloud.put("box/x", b"content", x_object_meta_a="1", content_type="text/a")
    copied = await cloud.call("COPY", f"{ACCOUNT}/box/x", destination="other/y%20z", x_object_meta_b="2")
    assert copied.status == 201
    assert copied.headers["x-copied-from"] == "box/x"
    assert (await cloud.call("PUT", f"{ACCOUNT}/other/w", x_copy_from="/box/x", x_fresh_metadata="true")).status == 201
    assert await cloud.kept() == 1
    assert (await cloud.call("DELETE", f"{ACCOUNT}/box/x")).status == 204
    await cloud.tidy()
    found = await cloud.get("other/y z")
    assert (found.raw, found.headers["x-object-meta-a"], found.headers["x-object-meta-b"]) == (b"content", "1", "2")
    assert "x-object-meta-a" not in (await cloud.get("other/w")).headers
    for name in ("y z", "w"):
        assert (await cloud.call("DELETE", f"{ACCOUNT}/other/{name}")).status == 204
    assert await cloud.kept() == 1, "who has just read the row may still want it"
    await cloud.tidy()
    assert await cloud.kept() == 0


async def test_an_object_expires(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"content", x_delete_after="60")
    assert float((await cloud.get("box/x")).headers["x-delete-at"]) > cloud.clock.now()
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/y", b"1", x_delete_at="1000")).status == 400
    cloud.clock.passed_s += 61
    assert (await cloud.get("box/x")).status == 404
    assert (await cloud.call("DELETE", f"{ACCOUNT}/box/x")).status == 404
    assert await cloud.names("box") == []
    await cloud.upkeep.expire()
    await cloud.tidy()
    assert await cloud.kept() == 0
    assert (await cloud.get("box", accept="application/json")).headers["x-container-object-count"] == "0"
    assert (await cloud.call("DELETE", f"{ACCOUNT}/box")).status == 204


async def test_a_name_can_be_taken_again_once_its_object_has_expired(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"old", x_delete_after="60")
    cloud.clock.passed_s += 61
    await cloud.put("box/x", b"new", if_none_match="*")
    assert (await cloud.get("box/x")).raw == b"new"
    assert (await cloud.call("HEAD", f"{ACCOUNT}/box")).headers["x-container-bytes-used"] == "3"


async def test_what_is_counted_is_given_back(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"12345")
    await cloud.put("box/x", b"123")
    await cloud.put("box/y", b"1")
    head = (await cloud.call("HEAD", ACCOUNT)).headers
    told = [head[f"x-account-{what}"] for what in ("container-count", "object-count", "bytes-used")]
    assert told == ["1", "2", "4"]
    assert (await cloud.call("DELETE", f"{ACCOUNT}/box")).status == 409
    for name in ("x", "y"):
        await cloud.call("DELETE", f"{ACCOUNT}/box/{name}")
    assert (await cloud.call("DELETE", f"{ACCOUNT}/box")).status == 204
    head = (await cloud.call("HEAD", ACCOUNT)).headers
    assert [head[f"x-account-{what}"] for what in ("container-count", "object-count", "bytes-used")] == ["0"] * 3


async def test_quotas_of_containers_and_accounts(cloud: Cloud) -> None:
    await cloud.put("box", x_container_meta_quota_bytes="10", x_container_meta_quota_count="2")
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/x", b"1" * 11)).status == 413
    await cloud.put("box/x", b"1" * 9)
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/y", b"12")).status == 413
    await cloud.put("box/x", b"1" * 10)
    await cloud.put("box/y")
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/z")).status == 413
    assert (await cloud.call("POST", f"{ACCOUNT}", x_account_meta_quota_bytes="20")).status == 403
    assert (await cloud.call("POST", f"{ACCOUNT}", who="admin", x_account_meta_quota_bytes="20")).status == 204
    assert (await cloud.call("HEAD", ACCOUNT)).headers["x-account-meta-quota-bytes"] == "20"
    await cloud.put("free")
    assert (await cloud.call("PUT", f"{ACCOUNT}/free/x", b"1" * 11)).status == 413
    await cloud.put("free/x", b"1" * 10)
    await cloud.tidy()
    assert await cloud.kept() == 2
    assert (await cloud.call("POST", f"{ACCOUNT}", who="admin", x_remove_account_meta_quota_bytes="x")).status == 204
    await cloud.put("free/y", b"1" * 100)


async def test_links_are_followed(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"content")
    await cloud.put("box/link", x_symlink_target="box/x", content_type="application/symlink")
    assert (await cloud.get("box/link")).raw == b"content"
    itself = await cloud.get("box/link?symlink=get")
    assert (itself.raw, itself.headers["x-symlink-target"]) == (b"", "box/x")
    await cloud.put("box/a", x_symlink_target="box/b")
    await cloud.put("box/b", x_symlink_target="box/a")
    assert (await cloud.get("box/a")).status == 409


async def test_another_account_is_closed_whether_it_exists_or_not(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"content")
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        for path in (f"/v1/AUTH_{THEIRS}", f"/v1/AUTH_{'9' * 32}", f"/v1/AUTH_{THEIRS}/c", f"/v1/AUTH_{THEIRS}/c/o"):
            for who, status in (("member", 403), ("nobody", 401)):
                if method == "PUT" and path.count("/") == 2:
                    continue
                assert (await cloud.call(method, path, who=who)).status == status, (method, path, who)
    assert (await cloud.call("GET", f"{ACCOUNT}/box/x", who="reader")).status == 200
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/x", b"1", who="reader")).status == 403
    assert (await cloud.call("GET", f"{ACCOUNT}/box/x", who="stranger")).status == 403
    assert (await cloud.call("GET", f"{ACCOUNT}/box/x", who="nobody")).status == 401
