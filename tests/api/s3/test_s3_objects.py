"""S3 by boto3, unchanged: buckets, objects, lists, parts, versions; and the same rows by Swift."""

import gzip
import hashlib
import os
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.api.s3.s3_cloud import S3Cloud, aside, cloud, served

from trivet.serving.s3_door import S3Door

__all__ = ["cloud"]

MIB = 1 << 20


async def refused(code: str, act: Any, **words: Any) -> Any:
    with pytest.raises(ClientError) as refusal:
        await aside(act, **words)
    assert refusal.value.response["Error"]["Code"] == code, refusal.value.response
    return refusal.value.response


async def test_a_bucket_and_its_objects_come_and_go(cloud: S3Cloud) -> None:
    s3 = cloud.mine
    await aside(s3.create_bucket, Bucket="box")
    await refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket="box")
    await refused("InvalidBucketName", s3.create_bucket, Bucket="Box_1")
    content = os.urandom(3 * MIB)
    put = await aside(s3.put_object, Bucket="box", Key="dir/a b+ü", Body=content, ContentType="text/x",
                      Metadata={"colour": "red"}, CacheControl="max-age=1")  # fmt: skip
    assert put["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    got = await aside(s3.get_object, Bucket="box", Key="dir/a b+ü")
    assert await aside(got["Body"].read) == content
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("text/x", {"colour": "red"}, "max-age=1")
    head = await aside(s3.head_object, Bucket="box", Key="dir/a b+ü")
    assert head["ContentLength"] == 3 * MIB and "VersionId" not in head
    part = await aside(s3.get_object, Bucket="box", Key="dir/a b+ü", Range="bytes=5-9")
    assert (await aside(part["Body"].read), part["ContentRange"]) == (content[5:10], f"bytes 5-9/{3 * MIB}")
    await refused("InvalidRange", s3.get_object, Bucket="box", Key="dir/a b+ü", Range=f"bytes={9 * MIB}-")
    await refused("PreconditionFailed", s3.put_object, Bucket="box", Key="dir/a b+ü", Body=b"x", IfNoneMatch="*")
    await refused("PreconditionFailed", s3.get_object, Bucket="box", Key="dir/a b+ü", IfMatch='"0"')
    await refused("304", s3.get_object, Bucket="box", Key="dir/a b+ü", IfNoneMatch=put["ETag"])
    await refused("NoSuchKey", s3.get_object, Bucket="box", Key="none")
    await refused("404", s3.head_object, Bucket="box", Key="none")
    await refused("NoSuchBucket", s3.get_object, Bucket="none", Key="none")
    await refused("BucketNotEmpty", s3.delete_bucket, Bucket="box")
    await aside(s3.delete_object, Bucket="box", Key="dir/a b+ü")
    await aside(s3.delete_object, Bucket="box", Key="dir/a b+ü")
    await aside(s3.delete_bucket, Bucket="box")
    assert (await aside(s3.list_buckets))["Buckets"] == []


async def test_swift_and_s3_see_the_same_objects(cloud: S3Cloud) -> None:
    s3 = cloud.mine
    assert (await cloud.swift("PUT", "box")).status == 201
    await cloud.swift("PUT", "box/x", b"swift", x_object_meta_colour="red", content_type="text/plain")
    got = await aside(s3.get_object, Bucket="box", Key="x")
    assert (await aside(got["Body"].read), got["Metadata"]) == (b"swift", {"colour": "red"})
    await aside(s3.put_object, Bucket="box", Key="y", Body=b"s3", Metadata={"k": "v"})
    answer = await cloud.swift("GET", "box/y")
    assert (answer.raw, answer.headers["x-object-meta-k"]) == (b"s3", "v")
    assert [one["Name"] for one in (await aside(s3.list_buckets))["Buckets"]] == ["box"]


async def test_lists_of_both_versions_are_cut_folded_and_go_on(cloud: S3Cloud) -> None:
    s3 = cloud.mine
    await aside(s3.create_bucket, Bucket="box")
    names = ["a/1", "a/2", "b", "c/1", "d e", "ü"]
    for name in names:
        await aside(s3.put_object, Bucket="box", Key=name, Body=b"")
    for call in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(call).paginate(Bucket="box", PaginationConfig={"PageSize": 2})
        found = await aside(lambda pages=pages: [one["Key"] for page in pages for one in page.get("Contents", [])])
        assert found == names
        pages = s3.get_paginator(call).paginate(Bucket="box", Delimiter="/", PaginationConfig={"PageSize": 1})
        folded = await aside(
            lambda pages=pages: [
                one.get("Key") or one.get("Prefix")
                for page in pages
                for one in page.get("CommonPrefixes", []) + page.get("Contents", [])
            ]
        )
        assert folded == ["a/", "b", "c/", "d e", "ü"]
    page: Any = await aside(s3.list_objects_v2, Bucket="box", Prefix="a/", StartAfter="a/1")
    assert [one["Key"] for one in page["Contents"]] == ["a/2"] and page["KeyCount"] == 1
    gone = await aside(s3.delete_objects, Bucket="box", Delete={"Objects": [{"Key": name} for name in [*names, "x"]]})
    assert {one["Key"] for one in gone["Deleted"]} == {*names, "x"}
    assert "Contents" not in await aside(s3.list_objects_v2, Bucket="box")


async def test_an_object_comes_in_parts_and_takes_them_along_when_it_goes(cloud: S3Cloud) -> None:
    s3 = cloud.mine
    await aside(s3.create_bucket, Bucket="box")
    where = {"Bucket": "box", "Key": "big"}
    upload = (await aside(s3.create_multipart_upload, **where, ContentType="x/y", Metadata={"k": "v"}))["UploadId"]
    content = [os.urandom(5 * MIB), os.urandom(5 * MIB), b"end"]
    tags = {}
    for number, data in ((3, content[2]), (1, content[0]), (2, b"other"), (2, content[1]), (9, b"unused")):
        put = await aside(s3.upload_part, **where, UploadId=upload, PartNumber=number, Body=data)
        tags[number] = put["ETag"]
    listed = await aside(s3.list_parts, **where, UploadId=upload, MaxParts=2)
    assert [one["PartNumber"] for one in listed["Parts"]] == [1, 2] and listed["IsTruncated"]
    assert [one["Key"] for one in (await aside(s3.list_multipart_uploads, Bucket="box"))["Uploads"]] == ["big"]
    assert "Contents" not in await aside(s3.list_objects_v2, Bucket="box")

    async def complete(code: str, *numbers: int, **odd: str) -> Any:
        parts = [{"PartNumber": number, "ETag": odd.get("tag", tags[number])} for number in numbers]
        words = {**where, "UploadId": upload, "MultipartUpload": {"Parts": parts}}
        if code:
            return await refused(code, s3.complete_multipart_upload, **words)
        return await aside(s3.complete_multipart_upload, **words)

    await complete("InvalidPartOrder", 2, 1)
    await complete("InvalidPart", 1, 2, tag='"' + "0" * 32 + '"')
    await complete("EntityTooSmall", 1, 3, 9)
    done = await complete("", 1, 2, 3)
    made = hashlib.md5(b"".join(hashlib.md5(data).digest() for data in content)).hexdigest()
    assert done["ETag"] == f'"{made}-3"'
    await complete("NoSuchUpload", 1)
    got = await aside(s3.get_object, **where)
    assert (await aside(got["Body"].read), got["ETag"], got["Metadata"]) == (
        b"".join(content),
        done["ETag"],
        {"k": "v"},
    )
    part = await aside(s3.get_object, **where, Range=f"bytes={5 * MIB - 2}-{5 * MIB + 1}")
    assert await aside(part["Body"].read) == content[0][-2:] + content[1][:2]
    second = await aside(s3.create_multipart_upload, Bucket="box", Key="copy")
    copied = await aside(s3.upload_part_copy, Bucket="box", Key="copy", UploadId=second["UploadId"], PartNumber=1,
                         CopySource="box/big", CopySourceRange="bytes=1-6")  # fmt: skip
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    await aside(s3.complete_multipart_upload, Bucket="box", Key="copy", UploadId=second["UploadId"],
                MultipartUpload={"Parts": parts})  # fmt: skip
    got = await aside(s3.get_object, Bucket="box", Key="copy")
    assert await aside(got["Body"].read) == content[0][1:7]
    await aside(s3.put_object, **where, Body=b"small")
    third = await aside(s3.create_multipart_upload, **where)
    await aside(s3.upload_part, **where, UploadId=third["UploadId"], PartNumber=1, Body=b"x")
    await aside(s3.abort_multipart_upload, **where, UploadId=third["UploadId"])
    await refused("NoSuchUpload", s3.abort_multipart_upload, **where, UploadId=third["UploadId"])
    await aside(s3.delete_object, Bucket="box", Key="copy")
    assert (await cloud.swift("GET", "box+segments")).body == [], "no part is left of what is gone"
    await aside(s3.delete_object, **where)
    await aside(s3.delete_bucket, Bucket="box")
    assert (await cloud.swift("GET", "box+segments")).status == 404


async def test_copies_keep_or_replace_what_is_said_of_an_object(cloud: S3Cloud) -> None:
    s3 = cloud.mine
    for name in ("box", "other"):
        await aside(s3.create_bucket, Bucket=name)
    await aside(s3.put_object, Bucket="box", Key="x y", Body=b"content", Metadata={"k": "v"}, ContentType="a/b")
    await aside(s3.copy_object, Bucket="other", Key="z", CopySource={"Bucket": "box", "Key": "x y"})
    got = await aside(s3.get_object, Bucket="other", Key="z")
    assert (await aside(got["Body"].read), got["Metadata"], got["ContentType"]) == (b"content", {"k": "v"}, "a/b")
    await refused("InvalidRequest", s3.copy_object, Bucket="box", Key="x y", CopySource="box/x y")
    await aside(s3.copy_object, Bucket="box", Key="x y", CopySource="box/x y", MetadataDirective="REPLACE",
                Metadata={"n": "w"})  # fmt: skip
    assert (await aside(s3.head_object, Bucket="box", Key="x y"))["Metadata"] == {"n": "w"}
    await refused("PreconditionFailed", s3.copy_object, Bucket="box", Key="q", CopySource="other/z",
                  CopySourceIfMatch='"0"')  # fmt: skip
    await refused("NoSuchKey", s3.copy_object, Bucket="box", Key="q", CopySource="other/none")


async def test_versions_are_kept_read_listed_and_deleted(cloud: S3Cloud) -> None:
    s3 = cloud.mine
    await aside(s3.create_bucket, Bucket="box")
    assert "Status" not in await aside(s3.get_bucket_versioning, Bucket="box")
    await aside(s3.put_object, Bucket="box", Key="k", Body=b"null")
    await aside(s3.put_bucket_versioning, Bucket="box", VersioningConfiguration={"Status": "Enabled"})
    first = (await aside(s3.put_object, Bucket="box", Key="k", Body=b"first"))["VersionId"]
    second = (await aside(s3.put_object, Bucket="box", Key="k", Body=b"second"))["VersionId"]
    gone = await aside(s3.delete_object, Bucket="box", Key="k")
    assert gone["DeleteMarker"] and (await refused("NoSuchKey", s3.get_object, Bucket="box", Key="k"))

    async def listed() -> list[tuple[str, bool]]:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket="box", PaginationConfig={"PageSize": 1})
        return await aside(
            lambda: [
                (one["VersionId"], one["IsLatest"])
                for page in pages
                for one in page.get("DeleteMarkers", []) + page.get("Versions", [])
            ]
        )

    async def read(**words: str) -> bytes:
        got = await aside(s3.get_object, Bucket="box", Key="k", **words)
        return bytes(await aside(got["Body"].read))

    marker = gone["VersionId"]
    assert await listed() == [(marker, True), (second, False), (first, False), ("null", False)]
    assert [await read(VersionId=id) for id in (first, "null")] == [b"first", b"null"]
    await refused("MethodNotAllowed", s3.get_object, Bucket="box", Key="k", VersionId=marker)
    await refused("NoSuchVersion", s3.get_object, Bucket="box", Key="k", VersionId="none")
    await refused("BucketNotEmpty", s3.delete_bucket, Bucket="box")
    await aside(s3.delete_object, Bucket="box", Key="k", VersionId=marker)
    assert await read() == b"second"
    await aside(s3.delete_object, Bucket="box", Key="k", VersionId=second)
    assert await read() == b"first"
    await aside(s3.copy_object, Bucket="box", Key="old", CopySource="box/k?versionId=null")
    await aside(s3.put_bucket_versioning, Bucket="box", VersioningConfiguration={"Status": "Suspended"})
    await aside(s3.put_object, Bucket="box", Key="k", Body=b"new null")
    assert await listed() == [("null", True), (first, False), *(await listed())[2:]]
    assert [await read(), await read(VersionId=first)] == [b"new null", b"first"]
    found = await aside(s3.list_object_versions, Bucket="box")
    every = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found["Versions"]]
    await aside(s3.delete_objects, Bucket="box", Delete={"Objects": every, "Quiet": True})
    assert await listed() == []
    await aside(s3.delete_bucket, Bucket="box")


@pytest.mark.parametrize("version", ["s3v4", "s3"])
async def test_a_presigned_url_is_good_for_what_was_signed(cloud: S3Cloud, version: str) -> None:
    s3 = cloud.client(cloud.keys["mine-member"], signature_version=version)
    await aside(cloud.mine.create_bucket, Bucket="box")

    def call(url: str, method: str = "GET", data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    form = "application/x-www-form-urlencoded"
    put = s3.generate_presigned_url("put_object", {"Bucket": "box", "Key": "k ü", "ContentType": form}, 60)
    assert await aside(call, put, "PUT", b"content") == (200, b"")
    get = s3.generate_presigned_url("get_object", {"Bucket": "box", "Key": "k ü"}, 60)
    assert await aside(call, get) == (200, b"content")
    assert (await aside(call, put, "PUT", b"", **{"x-amz-copy-source": "box/k"}))[0] == 403
    assert (await aside(call, get.replace("k%20%C3%BC", "other")))[0] == 403
    assert (await aside(call, get, "DELETE"))[0] == 403
    key = "X-Amz-Credential=" if version == "s3v4" else "AWSAccessKeyId="
    assert b"InvalidAccessKeyId" in (await aside(call, get.replace(key, f"{key}0")))[1]
    assert (await aside(call, f"{cloud.url}/s3/box/k"))[0] == 403
    late = s3.generate_presigned_url("get_object", {"Bucket": "box", "Key": "k ü"}, 1)
    cloud.whole.process.parts.clock.now = lambda: 4e9  # type: ignore[method-assign] # much later
    status, said = await aside(call, late)
    assert (status, b"expired" in said) == (403, True)


async def test_anothers_bucket_is_none_and_a_reader_only_looks(cloud: S3Cloud) -> None:
    await aside(cloud.mine.create_bucket, Bucket="box")
    await aside(cloud.mine.put_object, Bucket="box", Key="k", Body=b"mine")
    for act, words in (
        (cloud.theirs.get_object, {"Key": "k"}), (cloud.theirs.put_object, {"Key": "k", "Body": b"x"}),
        (cloud.theirs.list_objects_v2, {}), (cloud.theirs.delete_bucket, {}),
        (cloud.theirs.delete_object, {"Key": "k"}),
    ):  # fmt: skip
        await refused("NoSuchBucket", act, Bucket="box", **words)
    await aside(cloud.theirs.create_bucket, Bucket="box")
    await refused("NoSuchKey", cloud.theirs.copy_object, Bucket="box", Key="x", CopySource="box/k")
    got = await aside(cloud.reader.get_object, Bucket="box", Key="k")
    assert await aside(got["Body"].read) == b"mine"
    await refused("AccessDenied", cloud.reader.put_object, Bucket="box", Key="k", Body=b"x")
    await refused("AccessDenied", cloud.reader.create_bucket, Bucket="new")
    wrong = cloud.client(cloud.keys["mine-member"] | {"secret": "0"})
    await refused("SignatureDoesNotMatch", wrong.list_buckets)
    await refused("InvalidAccessKeyId", cloud.client({"access": "0", "secret": "0"}).list_buckets)


@pytest.mark.parametrize("how", ["signed", "unsigned"])
async def test_bytes_that_are_not_those_that_were_signed_or_said_are_not_taken(cloud: S3Cloud, how: str) -> None:
    s3 = cloud.client(cloud.keys["mine-member"], signature_version="s3v4")
    await aside(s3.create_bucket, Bucket="box")
    await refused("BadDigest", s3.put_object, Bucket="box", Key="k", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    await refused("BadDigest", s3.put_object, Bucket="box", Key="k", Body=b"x", ChecksumSHA256="A" * 43 + "=")
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        await aside(s3.put_object, Bucket="box", Key="k", Body=b"x" * MIB, ChecksumAlgorithm=algorithm)
    packed = gzip.compress(b"x")
    await aside(s3.put_object, Bucket="box", Key="k", Body=packed, ContentEncoding="gzip")
    assert (await aside(s3.head_object, Bucket="box", Key="k"))["ContentEncoding"] == "gzip"


async def test_what_is_asked_about_a_bucket_is_told_as_where_nobody_set_it(cloud: S3Cloud) -> None:
    s3 = cloud.mine
    await aside(s3.create_bucket, Bucket="box")
    await refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket="box")
    await refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket="box")
    assert (await aside(s3.get_bucket_location, Bucket="box"))["LocationConstraint"] is None
    assert (await aside(s3.get_bucket_acl, Bucket="box"))["Grants"][0]["Permission"] == "FULL_CONTROL"
    await refused("NotImplemented", s3.put_bucket_policy, Bucket="box", Policy="{}")
    await refused("AccessControlListNotSupported", s3.put_object, Bucket="box", Key="k", ACL="public-read")
    assert (await aside(s3.head_bucket, Bucket="box"))["ResponseMetadata"]["HTTPStatusCode"] == 200


async def test_a_door_of_its_own_has_buckets_at_its_root_and_nothing_else(cloud: S3Cloud) -> None:
    """For clients that can be told a host, and no path on it."""
    async with served(S3Door(cloud.whole.process.app)) as url:
        s3 = cloud.client(cloud.keys["mine-member"], url=url)
        await aside(s3.create_bucket, Bucket="box")
        await aside(s3.put_object, Bucket="box", Key="k", Body=b"content")
        got = await aside(s3.get_object, Bucket="box", Key="k")
        assert await aside(got["Body"].read) == b"content"
        assert [one["Name"] for one in (await aside(s3.list_buckets))["Buckets"]] == ["box"]
        await refused("NoSuchBucket", s3.list_objects_v2, Bucket="identity")
