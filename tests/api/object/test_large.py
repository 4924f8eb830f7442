"""Large objects, and many at once: manifests, archives, lists of what is to be deleted."""

import hashlib
import io
import json
import os
import tarfile

from tests.api.object.object_cloud import ACCOUNT, Cloud, cloud

__all__ = ["cloud"]

JSON = "application/json"


async def segments(cloud: Cloud, count: int, size: int) -> list[bytes]:
    await cloud.put("box")
    await cloud.put("parts")
    found = [os.urandom(size) for _ in range(count)]
    for number, content in enumerate(found):
        await cloud.put(f"parts/big/{number:03}", content)
    return found


def manifest(*rows: object) -> bytes:
    return json.dumps(rows).encode()


async def test_a_dynamic_one_is_what_its_segments_are(cloud: Cloud) -> None:
    parts = await segments(cloud, 3, 100_000)
    await cloud.put("box/big", x_object_manifest="parts/big/")
    whole = b"".join(parts)
    found = await cloud.get("box/big")
    assert found.raw == whole
    assert found.headers["content-length"] == "300000"
    assert (await cloud.get("box/big", range="bytes=99990-200010")).raw == whole[99990:200011]
    await cloud.put("parts/big/003", b"more")
    assert (await cloud.get("box/big")).raw == whole + b"more"
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/bad", x_object_manifest="parts")).status == 400


async def test_a_static_one_is_what_its_manifest_says(cloud: Cloud) -> None:
    parts = await segments(cloud, 3, 100_000)
    rows = [{"path": f"/parts/big/{number:03}", "size_bytes": 100_000} for number in range(3)]
    rows[1] |= {"range": "10-19"}
    made = await cloud.call("PUT", f"{ACCOUNT}/box/big?multipart-manifest=put", manifest(*rows), content_type="text/a")
    assert made.status == 201
    whole = parts[0] + parts[1][10:20] + parts[2]
    found = await cloud.get("box/big")
    assert found.raw == whole
    assert found.headers["x-static-large-object"] == "True"
    assert found.headers["etag"] == made.headers["etag"]
    assert (await cloud.get("box/big", range="bytes=99995-100015")).raw == whole[99995:100016]
    used = int((await cloud.call("HEAD", f"{ACCOUNT}/box")).headers["x-container-bytes-used"])
    assert 0 < used < 1000, "the manifest, and not what it stands for"
    shown = json.loads((await cloud.get("box/big?multipart-manifest=get")).raw)
    assert [row["name"] for row in shown] == [row["path"] for row in rows]
    assert shown[1]["range"] == "10-19"
    nested = manifest({"path": "/box/big"}, {"path": "/parts/big/000"}, {"data": "YWJj"})
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/nested?multipart-manifest=put", nested)).status == 201
    assert (await cloud.get("box/nested")).raw == whole + parts[0] + b"abc"
    copied = await cloud.call("COPY", f"{ACCOUNT}/box/big", destination="box/one")
    assert copied.status == 201
    assert copied.headers["etag"] == hashlib.md5(whole, usedforsecurity=False).hexdigest()
    await cloud.put("parts/big/000", b"changed")
    assert (await cloud.get("box/big")).status == 409


async def test_a_manifest_that_is_wrong_says_where(cloud: Cloud) -> None:
    await segments(cloud, 1, 10)
    path = f"{ACCOUNT}/box/big?multipart-manifest=put"
    wrong = manifest(
        {"path": "/parts/none"}, {"path": "/parts/big/000", "etag": "x"}, {"path": "/parts/big/000", "size_bytes": 9}
    )
    answer = await cloud.call("PUT", path, wrong)
    assert answer.status == 400
    for what in (b"/parts/none, 404", b"/parts/big/000, Etag Mismatch", b"/parts/big/000, Size Mismatch"):
        assert what in answer.raw
    for body in (b"nonsense", b"[]", b'[{"path": "/parts"}]', b'[{"other": 1}]'):
        assert (await cloud.call("PUT", path, body)).status == 400
    assert (await cloud.get("box/big")).status == 404


async def test_a_large_one_goes_with_its_segments(cloud: Cloud) -> None:
    await segments(cloud, 3, 10)
    rows = [{"path": f"/parts/big/{number:03}"} for number in range(3)]
    await cloud.call("PUT", f"{ACCOUNT}/box/big?multipart-manifest=put", manifest(*rows))
    answer = await cloud.call("DELETE", f"{ACCOUNT}/box/big?multipart-manifest=delete", accept="application/json")
    assert answer.body["Number Deleted"] == 4
    assert await cloud.names("parts") == []
    await cloud.tidy()
    assert await cloud.kept() == 0


async def test_many_are_deleted_at_once(cloud: Cloud) -> None:
    await segments(cloud, 2, 10)
    names = b"/parts/big/000\nparts/big/001\n/parts/none\n/box\n/absent\n/parts/b%20c\n"
    answer = await cloud.call("POST", f"{ACCOUNT}?bulk-delete", names, accept="application/json")
    assert (answer.body["Number Deleted"], answer.body["Number Not Found"]) == (3, 3)
    assert answer.body["Response Status"] == "200 OK"
    await cloud.put("parts/x")
    answer = await cloud.call("DELETE", f"{ACCOUNT}?bulk-delete", b"/parts", accept="application/json")
    assert answer.body["Errors"] == [["/parts", "409 Conflict"]]
    assert (await cloud.call("POST", f"{ACCOUNT}?bulk-delete", b"/parts/x", who="stranger")).status == 200
    assert await cloud.names("parts") == ["x"]
    plain = await cloud.call("POST", f"{ACCOUNT}?bulk-delete", b"x\n" * 1001)
    assert b"413" in plain.raw


async def test_an_archive_becomes_objects(cloud: Cloud) -> None:
    for kind, mode in (("tar", "w"), ("tar.gz", "w:gz"), ("tar.bz2", "w:bz2")):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as tar:  # type: ignore[call-overload]
            for name, size in (("./new/one", 5), ("new/dir/zwei-ü", 200_000)):
                info = tarfile.TarInfo(name)
                info.size = size
                tar.addfile(info, io.BytesIO(b"x" * size))
            link = tarfile.TarInfo("new/link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
        answer = await cloud.call(
            "PUT", f"{ACCOUNT}?extract-archive={kind}", file.getvalue(), accept="application/json"
        )
        assert answer.body["Number Files Created"] == 2, answer.raw
        assert answer.body["Response Status"] == "201 Created"
        assert await cloud.names("new") == ["dir/zwei-ü", "one"]
        assert (await cloud.get("new/dir/zwei-ü")).raw == b"x" * 200_000
    await cloud.tidy()
    assert await cloud.kept() == 2
    await cloud.put("box")
    answer = await cloud.call(
        "PUT", f"{ACCOUNT}/box/below?extract-archive=tar", b"no archive", accept="application/json"
    )
    assert answer.body["Response Status"] == "400 Bad Request"
    assert (await cloud.call("PUT", f"{ACCOUNT}?extract-archive=zip", b"")).status == 400
    assert (await cloud.call("PUT", f"{ACCOUNT}?extract-archive=tar", b"", who="stranger")).status == 403


async def test_who_may_not_read_the_parts_does_not_read_the_whole(cloud: Cloud) -> None:
    parts = await segments(cloud, 1, 10)
    await cloud.put("middle")
    one = manifest({"path": "/parts/big/000"})
    await cloud.call("PUT", f"{ACCOUNT}/middle/one?multipart-manifest=put", one)
    await cloud.call("PUT", f"{ACCOUNT}/box/two?multipart-manifest=put", manifest({"path": "/middle/one"}))
    await cloud.put("box/three", x_object_manifest="parts/big/")
    for shared, status in (("box", 403), ("middle", 403), ("parts", 200)):
        await cloud.call("POST", f"{ACCOUNT}/{shared}", x_container_read="*:xi")
        assert (await cloud.call("GET", f"{ACCOUNT}/box/two", who="stranger")).status == status, shared
        assert (await cloud.call("GET", f"{ACCOUNT}/box/three", who="stranger")).status == status, shared
    assert (await cloud.call("GET", f"{ACCOUNT}/box/two", who="stranger")).raw == parts[0]
