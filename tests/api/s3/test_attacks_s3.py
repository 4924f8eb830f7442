"""What somebody with a key and the source tried, and what it found. The class is told in each test; what is measured in
bytes and steps is not measured in time."""

import http.client
import tracemalloc
from email.header import decode_header
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from tests import signing
from tests.api.s3.s3_cloud import S3Cloud, aside, cloud

__all__ = ["cloud"]
Told = tuple[int, bytes, dict[str, str]]


def send(
    cloud: S3Cloud, key: dict[str, str], method: str, path: str, body: bytes = b"", *, query: str = "", **how: Any
) -> Told:
    host = cloud.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    said = signing.signed(key, method, f"/s3{path}", body, host=host, query=query, **how)
    connection.request(method, f"/s3{quote(path)}" + (f"?{query}" if query else ""), body, said)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


async def test_a_header_is_signed_once_however_often_it_is_named(cloud: S3Cloud) -> None:
    """The class: a request names a long thing many times, and each time it is written out again."""
    await aside(cloud.mine.create_bucket, Bucket="box")
    key = cloud.keys["mine-member"]
    names = ["host", "x-amz-content-sha256", "x-amz-date"]
    told = await aside(send, cloud, key, "GET", "/box", also={"long": "x" * 20_000}, names=[*names, "long"])
    assert told[0] == 200
    tracemalloc.start()
    try:
        many = [*names, *["long"] * 5_000]
        told = await aside(send, cloud, key, "GET", "/box", also={"long": "x" * 20_000}, names=many)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert (told[0], b"AuthorizationHeaderMalformed" in told[1]) == (400, True)


@pytest.mark.parametrize(
    "value",
    ["=?a?q? " * 4_000, "=?punycode?q?" + "a" * 9_000 + "-" + "b" * 9_000 + "?=", "=?idna?q?" + "a." * 4_000 + "?="],
    ids=["words without an end", "punycode", "idna"],
)
async def test_a_header_in_the_words_of_mail_is_read_only_as_far_as_one_may_be_long(
    cloud: S3Cloud, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class: an old format of somebody else's, whose reader takes the square of what it is given."""
    await aside(cloud.mine.create_bucket, Bucket="box")
    read: list[int] = []

    def noted(said: str) -> list[tuple[Any, str | None]]:
        read.append(len(said))
        return decode_header(said)

    monkeypatch.setattr("trivet.api.s3.headers.decode_header", noted)
    told = await aside(
        send, cloud, cloud.keys["mine-member"], "PUT", "/box/a", b"x", also={"x-amz-meta-a": value}
    )  # fmt: skip
    assert told[0] == 400
    assert not [size for size in read if size > 2048]


async def test_what_mail_says_in_latin_is_still_understood(cloud: S3Cloud) -> None:
    await aside(cloud.mine.create_bucket, Bucket="box")
    key = cloud.keys["mine-member"]
    for said in ("=?UTF-8?B?w6k=?=", "=?iso-8859-1?q?=E9?="):
        assert (await aside(send, cloud, key, "PUT", "/box/a", b"x", also={"x-amz-meta-a": said}))[0] == 200
        found = await aside(cloud.mine.head_object, Bucket="box", Key="a")
        assert found["Metadata"]["a"].encode("latin-1").decode() == "é"
    # Others are kept as they are said.
    assert (await aside(send, cloud, key, "PUT", "/box/a", b"x", also={"x-amz-meta-a": "=?punycode?q?a-b?="}))[0] == 200
    assert (await aside(cloud.mine.head_object, Bucket="box", Key="a"))["Metadata"]["a"] == "=?punycode?q?a-b?="


@pytest.mark.parametrize("kind", ["text/html%0D%0Aset-cookie%3A%20a%3Db", "x" * 9_000, "text/%00html"])
async def test_what_an_answer_is_to_say_of_itself_is_printable(cloud: S3Cloud, kind: str) -> None:
    """The class: a query that becomes a header."""
    await aside(cloud.mine.create_bucket, Bucket="box")
    await aside(cloud.mine.put_object, Bucket="box", Key="a", Body=b"x")
    names = ("content-type", "content-disposition", "content-encoding", "cache-control", "content-language", "expires")
    for name in names:
        query = f"response-{name}={kind.replace('/', '%2F')}"
        told: Any = await aside(send, cloud, cloud.keys["mine-member"], "GET", "/box/a", query=query)
        assert (told[0], b"InvalidArgument" in told[1]) == (400, True), (name, told)


async def test_a_key_of_a_program_does_in_s3_what_the_program_may(cloud: S3Cloud) -> None:
    """The class: who is found after the door has been passed is held to nothing that the door holds others to."""
    call, user = cloud.whole.call, cloud.keys["mine-member"]["user_id"]
    await aside(cloud.mine.create_bucket, Bucket="box")
    await aside(cloud.mine.put_object, Bucket="box", Key="a", Body=b"x")
    token = cloud.whole.token("member", cloud.project, user)
    rules = [
        {"service": "identity", "method": "POST", "path": f"/v3/users/{user}/credentials/OS-EC2"},
        {"service": "s3", "method": "GET", "path": "/box/**"},
    ]
    said = {"name": "p", "unrestricted": True, "access_rules": rules, "roles": [{"name": "member"}]}
    path = f"/identity/v3/users/{user}/application_credentials"
    made = (await call("POST", path, {"application_credential": said}, token=token)).body["application_credential"]
    proof = {"id": made["id"], "secret": made["secret"]}
    how = {"identity": {"methods": ["application_credential"], "application_credential": proof}}
    answer = await call("POST", "/identity/v3/auth/tokens", {"auth": how})
    assert answer.status == 201, answer.raw
    path = f"/identity/v3/users/{user}/credentials/OS-EC2"
    made_key = await call("POST", path, {"tenant_id": cloud.project}, token=answer.headers["x-subject-token"])
    key = made_key.body["credential"]
    told = [
        (await aside(send, cloud, key, method, where, body))[0]
        for method, where, body in (("GET", "/box/a", b""), ("PUT", "/box/a", b"y"), ("GET", "/other/a", b""))
    ]
    assert told == [200, 403, 403]
    await call("DELETE", f"/identity/v3/users/{user}/application_credentials/{made['id']}", token=token)
    assert (await aside(send, cloud, key, "GET", "/box/a"))[0] == 403


async def test_versions_are_listed_alike_however_they_are_cut(cloud: S3Cloud, chance: Random) -> None:
    """What is now and what was stand in two tables; each page reads a little of both."""
    s3 = cloud.mine
    await aside(s3.create_bucket, Bucket="box")
    await aside(s3.put_object, Bucket="box", Key="a/1", Body=b"before there were versions")
    await aside(s3.put_bucket_versioning, Bucket="box", VersioningConfiguration={"Status": "Enabled"})
    names = [f"{folder}/{n}" for folder in ("a", "b", "c~", "é") for n in range(3)] + ["a", "a0", "plain"]
    made: dict[str, list[str]] = {"a/1": ["null"]}
    for _ in range(70):
        name = chance.choice(names)
        act = s3.put_object if chance.random() < 0.7 else s3.delete_object
        made.setdefault(name, []).insert(0, (await aside(act, Bucket="box", Key=name))["VersionId"])
    expected = [(name, id, n == 0) for name in sorted(made) for n, id in enumerate(made[name])]

    def listed(most: int, **words: str) -> tuple[list[tuple[str, str, bool]], list[str]]:
        rows, folders = [], []
        for page in s3.get_paginator("list_object_versions").paginate(
            Bucket="box", PaginationConfig={"PageSize": most}, **words
        ):
            found = page.get("Versions", []) + page.get("DeleteMarkers", [])
            rows += [(one["Key"], one["VersionId"], one["IsLatest"]) for one in found]
            folders += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
        return rows, folders

    for most in (1, 2, 3, 7, 40, 1000):
        rows, folders = await aside(listed, most)
        assert (sorted(rows), folders) == (sorted(expected), [])
        if most == 1:
            assert rows == expected
        rows, folders = await aside(listed, most, Delimiter="/")
        assert sorted(rows) == sorted(row for row in expected if "/" not in row[0])
        assert folders == sorted({f"{name.partition('/')[0]}/" for name in made if "/" in name})
        rows, folders = await aside(listed, most, Prefix="b/", Delimiter="/")
        assert (sorted(rows), folders) == (sorted(row for row in expected if row[0].startswith("b/")), [])
