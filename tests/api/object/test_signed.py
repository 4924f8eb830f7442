"""Signatures in place of tokens: temporary URLs, and forms of pages."""

import hmac
import time
from urllib.parse import quote

import pytest
from tests.api.object.object_cloud import ACCOUNT, Cloud, cloud

__all__ = ["cloud"]

KEY = "secret"


def signed(path: str, method: str = "GET", *, digest: str = "sha256", ends: float | None = None, key: str = KEY,
           before: str = "") -> str:  # fmt: skip
    ends = int(time.time() + 60 if ends is None else ends)
    made = hmac.new(key.encode(), f"{before}{method}\n{ends}\n{path}".encode(), digest).hexdigest()
    return f"temp_url_sig={made}&temp_url_expires={ends}"


async def filled(cloud: Cloud) -> None:
    await cloud.call("POST", ACCOUNT, x_account_meta_temp_url_key=KEY)
    await cloud.put("box", x_container_meta_temp_url_key="inner")
    await cloud.put("box/dir/x", b"content")
    await cloud.put("other")
    await cloud.put("other/x", b"other")


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
async def test_a_temporary_url_opens_one_object_for_a_while(cloud: Cloud, digest: str) -> None:
    await filled(cloud)
    for start in ("", "/object-store"):
        path = f"{start}{ACCOUNT}/box/dir/x"
        found = await cloud.get(f"box/dir/x?{signed(path, digest=digest)}", who="nobody")
        assert (found.status, found.raw) == (200, b"content")
        assert found.headers["content-disposition"].startswith('attachment; filename="x"')
    path = f"{ACCOUNT}/box/dir/x"
    words = signed(path, digest=digest)
    assert (await cloud.call("HEAD", f"{path}?{words}", who="nobody")).status == 200
    for method, target in (
        ("PUT", path),
        ("DELETE", path),
        ("GET", f"{ACCOUNT}/other/x"),
        ("GET", f"{ACCOUNT}/box/dir"),
    ):
        assert (await cloud.call(method, f"{target}?{words}", who="nobody")).status == 401
    for wrong in (
        signed(path, ends=time.time() - 1),
        signed(path, key="guess"),
        words.replace("sig=", "sig=0"),
        "temp_url_sig=x",
    ):
        assert (await cloud.get(f"box/dir/x?{wrong}", who="nobody")).status == 401
        assert (await cloud.get(f"box/dir/x?{wrong}")).status == 401, "a bad signature is no better with a token"


async def test_a_temporary_url_may_be_for_all_that_begin_alike(cloud: Cloud) -> None:
    await filled(cloud)
    words = signed(f"prefix:{ACCOUNT}/box/dir/") + "&temp_url_prefix=dir/"
    assert (await cloud.get(f"box/dir/x?{words}", who="nobody")).status == 200
    assert (await cloud.get(f"box/dir/y?{words}", who="nobody")).status == 404
    assert (await cloud.get(f"box/x?{words}", who="nobody")).status == 401


async def test_a_containers_own_key_opens_only_it(cloud: Cloud) -> None:
    await filled(cloud)
    for path, status in (("box/dir/x", 200), ("other/x", 401)):
        words = signed(f"{ACCOUNT}/{path}", key="inner")
        assert (await cloud.get(f"{path}?{words}", who="nobody")).status == status


async def test_a_temporary_url_takes_in_what_it_is_for(cloud: Cloud) -> None:
    await filled(cloud)
    path = f"{ACCOUNT}/box/new"
    assert (await cloud.call("PUT", f"{path}?{signed(path, 'PUT')}", b"1", who="nobody")).status == 201
    ends = "2100-01-01T00:00:00Z"
    made = hmac.new(KEY.encode(), f"GET\n4102444800\n{path}".encode(), "sha256").hexdigest()
    assert (await cloud.get(f"box/new?temp_url_sig={made}&temp_url_expires={ends}", who="nobody")).status == 200
    words = signed(path, before="ip=10.0.0.0/8\n") + "&temp_url_ip_range=10.0.0.0/8"
    assert (await cloud.get(f"box/new?{words}", who="nobody")).status == 401, "nobody comes from there"


async def test_a_temporary_url_is_no_way_to_other_objects(cloud: Cloud) -> None:
    """As CVE-2015-5223 was: what is taken in by it must not stand for what its maker did not mean."""
    await filled(cloud)
    path = f"{ACCOUNT}/box/new"
    words = signed(path, "PUT")
    for headers in ({"x_object_manifest": "other/x"}, {"x_symlink_target": "other/x"}, {"x_copy_from": "other/x"}):
        assert (await cloud.call("PUT", f"{path}?{words}", who="nobody", **headers)).status in (400, 401), headers
    manifest = b'[{"path": "/other/x"}]'
    answer = await cloud.call("PUT", f"{path}?{words}&multipart-manifest=put", manifest, who="nobody")
    assert answer.status == 401
    words = signed(f"{ACCOUNT}/box/dir/x", "POST")
    answer = await cloud.call("POST", f"{ACCOUNT}/box/dir/x?{words}", who="nobody", x_object_manifest="other/x")
    assert answer.status == 400
    assert (await cloud.get("box/new")).status == 404


def form(fields: dict[str, str], files: list[tuple[str, bytes]]) -> bytes:
    said = "--B\r\nContent-Disposition: form-data; name="
    parts = [f'{said}"{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    for name, content in files:
        parts.append(f'{said}"f"; filename="{name}"\r\nContent-Type: text/x\r\n\r\n'.encode() + content + b"\r\n")
    return b"".join(parts) + b"--B--\r\n"


def fields(
    path: str, *, size: int = 1_000_000, count: int = 2, ends: float | None = None, redirect: str = ""
) -> dict[str, str]:
    when = int(time.time() + 60 if ends is None else ends)
    said = f"{path}\n{redirect}\n{size}\n{count}\n{when}"
    return {
        "redirect": redirect,
        "max_file_size": str(size),
        "max_file_count": str(count),
        "expires": str(when),
        "signature": hmac.new(KEY.encode(), said.encode(), "sha256").hexdigest(),
    }


async def post(cloud: Cloud, path: str, body: bytes, step: int) -> int:
    chunks = [body[at : at + step] for at in range(0, len(body), step)]
    kind = "multipart/form-data; boundary=B"
    return (await cloud.call("POST", path, chunks, who="nobody", content_type=kind)).status


@pytest.mark.parametrize("step", [7, 100_000])
async def test_a_form_brings_files(cloud: Cloud, step: int) -> None:
    await filled(cloud)
    path = f"{ACCOUNT}/box/from-"
    files = [("a", b"\r\n--almost\r\n"), ("b", b"y" * 5000)]
    assert await post(cloud, path, form(fields(path), files), step) == 201
    assert (await cloud.get("box/from-a")).raw == b"\r\n--almost\r\n"
    assert (await cloud.get("box/from-b")).raw == b"y" * 5000
    assert (await cloud.get("box/from-a")).headers["content-type"] == "text/x"
    moved = form(fields(path, redirect="http://a.example/done"), files)
    assert await post(cloud, path, moved, step) == 303


async def test_a_form_brings_no_more_than_it_may(cloud: Cloud) -> None:
    await filled(cloud)
    path = f"{ACCOUNT}/box/from-"
    files = [("a", b"x" * 20), ("b", b"y" * 20)]
    assert await post(cloud, path, form(fields(path, size=10), files), 9) == 413
    assert await post(cloud, path, form(fields(path, count=1), files), 9) == 400
    assert await post(cloud, path, form(fields(path, ends=time.time() - 1), files), 9) == 401
    assert await post(cloud, path, form(fields(f"{ACCOUNT}/other/"), files), 9) == 401
    assert await post(cloud, path, form(fields(path), [])[:50], 9) == 400
    assert await cloud.names(f"box?prefix={quote('from-b')}") == []
