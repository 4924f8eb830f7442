"""Pushing, as the distribution specification has it: in one piece, in chunks, by mount; and what is refused."""

import json

import pytest
from tests.api.image.container_archives import MANIFEST, Image, digest
from tests.api.registry.registry_cloud import APP, INDEX, Cloud, cloud, index_of, path_of, said, sha512

__all__ = ["cloud"]

DATA = b"0123456789" * 50


async def test_a_blob_comes_in_one_request(cloud: Cloud) -> None:
    answer = await cloud.call("POST", f"/v2/{APP}/blobs/uploads/", DATA, query={"digest": digest(DATA)})
    assert (answer.status, path_of(answer)) == (201, f"/v2/{APP}/blobs/{digest(DATA)}")
    found = await cloud.call("GET", path_of(answer))
    assert (found.raw, found.headers["docker-content-digest"]) == (DATA, digest(DATA))


async def test_a_blob_comes_in_chunks_that_say_where_they_go_on(cloud: Cloud) -> None:
    location = await cloud.begin()
    first = await cloud.call("PATCH", location, DATA[:200], headers={"content-range": "0-199"})
    assert (first.status, first.headers["range"]) == (202, "0-199")
    for wrong in ("0-199", "300-499", "200-300", "nonsense"):
        answer = await cloud.call("PATCH", location, DATA[200:400], headers={"content-range": wrong})
        assert said(answer, 416) == "BLOB_UPLOAD_INVALID"
    asked = await cloud.call("GET", location)
    assert (asked.status, asked.headers["range"]) == (204, "0-199")
    last = {"content-range": "200-499"}
    answer = await cloud.call("PUT", location, DATA[200:], headers=last, query={"digest": digest(DATA)})
    assert answer.status == 201
    assert (await cloud.call("GET", path_of(answer))).raw == DATA
    assert said(await cloud.call("GET", location), 404) == "BLOB_UPLOAD_UNKNOWN"
    assert len(await cloud.keys()) == 1, "the chunks are gone"


async def test_a_client_that_was_cut_off_goes_on_where_it_was(cloud: Cloud) -> None:
    location = await cloud.begin()
    assert (await cloud.in_chunks("PATCH", location, [DATA[:100], DATA[100:123], None])).status == 400
    asked = await cloud.call("GET", location)
    assert asked.headers["range"] == "0-122"
    answer = await cloud.call("PUT", location, DATA[123:], query={"digest": digest(DATA)})
    assert (await cloud.call("GET", path_of(answer))).raw == DATA


@pytest.mark.parametrize("chunks", [1, 2])
async def test_a_blob_may_be_named_by_sha512(cloud: Cloud, chunks: int) -> None:
    location = await cloud.begin()
    if chunks == 2:
        await cloud.call("PATCH", location, DATA[:10])
    rest = DATA[10:] if chunks == 2 else DATA
    answer = await cloud.call("PUT", location, rest, query={"digest": sha512(DATA)})
    assert (await cloud.call("GET", path_of(answer))).raw == DATA


async def test_what_is_not_its_digest_is_refused_and_leaves_nothing(cloud: Cloud) -> None:
    location = await cloud.begin()
    assert said(await cloud.call("PUT", location, DATA, query={"digest": "sha256:short"}), 400) == "DIGEST_INVALID"
    assert said(await cloud.call("PUT", location, DATA), 400) == "DIGEST_INVALID"
    answer = await cloud.call("PUT", location, DATA, query={"digest": digest(b"other")})
    assert said(answer, 400) == "DIGEST_INVALID"
    assert (await cloud.keys(), await cloud.used(), await cloud.used("image_count_uploading")) == (set(), 0, 0)


async def test_an_upload_is_cancelled(cloud: Cloud) -> None:
    location = await cloud.begin()
    await cloud.call("PATCH", location, DATA)
    assert (await cloud.call("DELETE", location)).status == 204
    assert said(await cloud.call("PATCH", location, DATA), 404) == "BLOB_UPLOAD_UNKNOWN"
    assert (await cloud.keys(), await cloud.used(), await cloud.used("image_count_uploading")) == (set(), 0, 0)


async def test_a_blob_is_mounted_from_a_repository_that_one_may_pull_from(cloud: Cloud) -> None:
    await cloud.push_blob(DATA)
    asked = {"mount": digest(DATA), "from": APP}
    answer = await cloud.call("POST", "/v2/mine/copy/blobs/uploads/", query=asked)
    assert answer.status == 201
    assert (await cloud.call("GET", path_of(answer))).raw == DATA
    assert len(await cloud.keys()) == 1, "nothing is kept twice"
    assert await cloud.used() == 1, "nor counted"


async def test_a_blob_of_others_is_not_mounted_and_looks_as_if_it_were_nowhere(cloud: Cloud) -> None:
    await cloud.push_blob(DATA, "theirs/app", who="stranger")
    for asked in ({"mount": digest(DATA), "from": "theirs/app"}, {"mount": digest(DATA), "from": "theirs/nothing"},
                  {"mount": digest(DATA)}, {"mount": digest(DATA), "from": "No/Such"}):  # fmt: skip
        answer = await cloud.call("POST", f"/v2/{APP}/blobs/uploads/", query=asked)
        assert answer.status == 202
        await cloud.call("DELETE", path_of(answer))


async def test_a_manifest_is_pushed_by_tag_and_by_digest(cloud: Cloud) -> None:
    image = await cloud.push("1")
    answer = await cloud.push_manifest(image.manifest, digest(image.manifest))
    assert answer.status == 201
    assert answer.headers["docker-content-digest"] == digest(image.manifest)
    for reference in ("1", digest(image.manifest)):
        found = await cloud.pull(reference)
        assert (found.raw, found.headers["content-type"]) == (image.manifest, MANIFEST)
        head = await cloud.call("HEAD", f"/v2/{APP}/manifests/{reference}")
        assert (head.raw, head.headers["content-length"]) == (b"", str(len(image.manifest)))
    assert said(await cloud.push_manifest(image.manifest, digest(b"other")), 400) == "DIGEST_INVALID"


async def test_a_manifest_comes_after_what_it_names(cloud: Cloud) -> None:
    image = Image()
    assert said(await cloud.push_manifest(image.manifest, "1"), 404) == "MANIFEST_BLOB_UNKNOWN"
    await cloud.push_blob(image.config)
    assert said(await cloud.push_manifest(image.manifest, "1"), 404) == "MANIFEST_BLOB_UNKNOWN"
    index = index_of(image)
    assert said(await cloud.push_manifest(index, "1", kind=INDEX), 404) == "MANIFEST_BLOB_UNKNOWN"
    assert await cloud.images(os_hidden="true") == {}


@pytest.mark.parametrize(
    ("changed", "kind", "code"),
    [
        (b"no json", MANIFEST, "MANIFEST_INVALID"),
        (b'{"schemaVersion": 1}', MANIFEST, "MANIFEST_INVALID"),
        (b'{"schemaVersion": 2}', MANIFEST, "MANIFEST_INVALID"),
        (b'{"schemaVersion": 2}', "application/json", "MANIFEST_INVALID"),
        (b"[" * 100_000, MANIFEST, "MANIFEST_INVALID"),
    ],
)
async def test_what_is_no_manifest_is_refused(cloud: Cloud, changed: bytes, kind: str, code: str) -> None:
    assert said(await cloud.push_manifest(changed, "1", kind=kind), 400) == code
    assert await cloud.keys() == set()


async def test_a_manifest_that_lies_about_sizes_or_names_is_refused(cloud: Cloud) -> None:
    image = await cloud.push()
    spoiled = json.loads(image.manifest)
    spoiled["layers"][0]["size"] += 1
    assert said(await cloud.push_manifest(json.dumps(spoiled).encode(), "2"), 400) == "SIZE_INVALID"
    for wrong in ("-1", "x" * 129, "a:b"):
        assert (await cloud.push_manifest(image.manifest, wrong)).status == 400
    for wrong in ("mine", "MINE/app", "mine/-app", f"mine/{'x' * 300}"):
        assert (await cloud.pull("1", wrong)).status in (400, 404)
    large = json.dumps({"schemaVersion": 2, "padding": "x" * (4 << 20)}).encode()
    assert (await cloud.push_manifest(large, "3")).status == 413


async def test_what_is_pushed_is_an_image_of_the_cloud(cloud: Cloud) -> None:
    image = await cloud.push("1")
    found = (await cloud.images())["app:1"]
    assert (found["status"], found["visibility"], found["disk_format"]) == ("active", "private", "oci")
    assert found["oci_digest"] == digest(image.manifest)
    data = (await cloud.call("GET", f"/image/v2/images/{found['id']}/file")).raw
    assert len(data) == found["size"]
    assert sha512(data) == f"sha512:{found['os_hash_value']}"
    part = await cloud.call("GET", f"/image/v2/images/{found['id']}/file", headers={"range": "bytes=700-4000"})
    assert part.raw == data[700:4001]
    again = (await cloud.call("POST", "/image/v2/images", json.dumps(
        {"name": "again", "disk_format": "oci", "container_format": "docker"}).encode(), kind="application/json",
    )).ok()  # fmt: skip
    (await cloud.call("PUT", f"/image/v2/images/{again['id']}/file", data)).ok()


async def test_the_newest_tag_names_the_image_and_one_without_any_is_hidden(cloud: Cloud) -> None:
    one = await cloud.push("1")
    await cloud.push_manifest(one.manifest, "latest")
    assert set(await cloud.images()) == {"app:latest"}
    await cloud.push("latest", image=Image(b"other"))
    assert set(await cloud.images()) == {"app:1", "app:latest"}
    assert (await cloud.call("DELETE", f"/v2/{APP}/manifests/1")).status == 202
    assert set(await cloud.images()) == {"app:latest"}
    assert set(await cloud.images(os_hidden="true")) == {f"app@{digest(one.manifest)}"}
    assert (await cloud.pull(digest(one.manifest))).raw == one.manifest


async def test_an_index_holds_what_was_pushed_before(cloud: Cloud) -> None:
    image = Image()
    await cloud.push(digest(image.manifest), image=image)
    index = index_of(image)
    assert (await cloud.push_manifest(index, "all", kind=INDEX)).status == 201
    found = await cloud.pull("all", headers={"accept": f"{INDEX}, {MANIFEST}"})
    assert (found.raw, found.headers["content-type"]) == (index, INDEX)
    only = await cloud.pull("all", headers={"accept": MANIFEST})
    assert (only.raw, only.headers["content-type"]) == (image.manifest, MANIFEST)
    assert (await cloud.images())["app:all"]["size"] > len(image.layer)


async def test_quotas_count_layers_once_and_say_no_in_time(cloud: Cloud) -> None:
    image = await cloud.push("1")
    assert await cloud.used() == 2, "a layer and a configuration"
    await cloud.push("1", "mine/other", image=image)
    assert (await cloud.used(), await cloud.used("image_count_total")) == (2, 2)
    await limit(cloud, 3)
    answer = await cloud.in_chunks("PATCH", await cloud.begin(), [b"x" * (1 << 20)] * 2)
    assert said(answer, 413) == "DENIED"
    assert await cloud.used() == 2


async def limit(cloud: Cloud, mebibytes: int) -> None:
    async with cloud.store.write() as tx:
        await tx.run(
            "INSERT INTO services (id, revision, type, name, enabled, description, extra)"
            " VALUES ('s', 1, 'image', 'glance', 1, '', '{}')"
        )
        await tx.run(
            "INSERT INTO registered_limits (id, revision, service_id, resource_name, default_limit)"
            " VALUES ('r', 1, 's', 'image_size_total', ?)",
            mebibytes,
        )


async def test_a_reader_pulls_and_does_not_push(cloud: Cloud) -> None:
    image = await cloud.push("1")
    assert (await cloud.pull("1", who="reader")).raw == image.manifest
    assert (await cloud.call("POST", f"/v2/{APP}/blobs/uploads/", who="reader")).status == 403
    assert (await cloud.push_manifest(image.manifest, "2", who="reader")).status == 403
    assert (await cloud.call("DELETE", f"/v2/{APP}/manifests/1", who="reader")).status == 403
