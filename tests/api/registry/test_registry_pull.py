"""Pulling: who sees what, in parts and in pages; and images that were never pushed."""

import json

from tests.api.image.container_archives import MANIFEST, Image, digest, tar
from tests.api.one_service import MINE, THEIRS
from tests.api.registry.registry_cloud import APP, INDEX, Cloud, artifact, cloud, index_of, said

__all__ = ["cloud"]


async def test_a_blob_is_read_in_parts(cloud: Cloud) -> None:
    await cloud.push_blob(b"0123456789")
    path = f"/v2/{APP}/blobs/{digest(b'0123456789')}"
    part = await cloud.call("GET", path, headers={"range": "bytes=3-5"})
    assert (part.status, part.raw, part.headers["content-range"]) == (206, b"345", "bytes 3-5/10")
    assert (await cloud.call("GET", path, headers={"range": "bytes=8-"})).raw == b"89"
    assert (await cloud.call("GET", path, headers={"range": "bytes=10-"})).status == 416
    head = await cloud.call("HEAD", path)
    assert (head.status, head.headers["content-length"], head.raw) == (200, "10", b"")
    other = await cloud.call("HEAD", f"/v2/{APP}/blobs/{digest(b'none')}")
    assert (other.status, other.raw) == (404, b"")


async def test_a_repository_is_named_by_its_projects_id_as_well(cloud: Cloud) -> None:
    image = await cloud.push("1")
    assert (await cloud.pull("1", f"{MINE}/app")).raw == image.manifest
    await cloud.push("1", f"{MINE}/deep/er", image=image)
    assert (await cloud.pull("1", "mine/deep/er")).raw == image.manifest


async def test_tags_come_in_pages(cloud: Cloud) -> None:
    image = await cloud.push("b")
    for tag in ("a", "c", "B"):
        await cloud.push_manifest(image.manifest, tag)
    whole = await cloud.call("GET", f"/v2/{APP}/tags/list")
    assert whole.body == {"name": APP, "tags": sorted(["a", "b", "c", "B"])}
    first = await cloud.call("GET", f"/v2/{APP}/tags/list", query={"n": 2})
    assert (first.body["tags"], first.headers["link"]) == (
        ["B", "a"], f'</v2/{APP}/tags/list?n=2&last=a>; rel="next"',
    )  # fmt: skip
    rest = await cloud.call("GET", f"/v2/{APP}/tags/list", query={"n": 2, "last": "a"})
    assert rest.body["tags"] == ["b", "c"] and "link" not in rest.headers
    assert (await cloud.call("GET", f"/v2/{APP}/tags/list", query={"n": 0})).body["tags"] == []
    assert said(await cloud.call("GET", "/v2/mine/none/tags/list"), 404) == "NAME_UNKNOWN"


async def test_what_refers_to_a_manifest_is_found_by_its_type(cloud: Cloud) -> None:
    image = await cloud.push("1")
    text, config = artifact(image.manifest)
    await cloud.push_blob(config)
    answer = await cloud.push_manifest(text, digest(text))
    assert answer.headers["oci-subject"] == digest(image.manifest)
    path = f"/v2/{APP}/referrers/{digest(image.manifest)}"
    found = await cloud.call("GET", path)
    (one,) = json.loads(found.raw)["manifests"]
    assert (one["digest"], one["artifactType"], one["annotations"]) == (
        digest(text), "application/vnd.example.sbom.v1", {"of": "application/vnd.example.sbom.v1"},
    )  # fmt: skip
    other = await cloud.call("GET", path, query={"artifactType": "application/other"})
    assert (json.loads(other.raw)["manifests"], other.headers["oci-filters-applied"]) == ([], "artifactType")
    assert json.loads((await cloud.call("GET", f"/v2/{APP}/referrers/{digest(b'none')}")).raw)["manifests"] == []
    await cloud.call("DELETE", f"/v2/{APP}/manifests/{digest(text)}")
    assert json.loads((await cloud.call("GET", path)).raw)["manifests"] == []


async def test_others_see_nothing_of_what_is_private(cloud: Cloud) -> None:
    image = await cloud.push("1")
    for path in ("manifests/1", f"manifests/{digest(image.manifest)}", f"blobs/{digest(image.layer)}", "tags/list",
                 f"referrers/{digest(image.manifest)}"):  # fmt: skip
        theirs = await cloud.call("GET", f"/v2/{APP}/{path}", who="stranger")
        none = await cloud.call("GET", f"/v2/mine/none/{path}", who="stranger")
        assert (theirs.status, said(theirs, 404)) == (none.status, said(none, 404))
    assert (await cloud.call("POST", f"/v2/{APP}/blobs/uploads/", who="stranger")).status == 404
    assert (await cloud.push_manifest(image.manifest, "1", who="stranger")).status == 404
    assert (await cloud.call("DELETE", f"/v2/{APP}/manifests/1", who="stranger")).status == 404
    assert (await cloud.call("GET", "/v2/_catalog", who="stranger")).body == {"repositories": []}
    assert (await cloud.call("GET", "/v2/_catalog")).body == {"repositories": [f"{MINE}/app"]}


async def test_an_image_is_shared_and_its_repository_with_it(cloud: Cloud) -> None:
    image, other = Image(), Image(b"other")
    await cloud.push(digest(image.manifest), image=image)
    await cloud.push("private", image=other)
    await cloud.push_manifest(index_of(image), "1", kind=INDEX)
    shared = (await cloud.images())["app:1"]
    await cloud.patch(shared["id"], visibility="shared")
    body = json.dumps({"member": THEIRS}).encode()
    await cloud.call("POST", f"/image/v2/images/{shared['id']}/members", body, kind="application/json")
    assert (await cloud.pull("1", who="stranger")).raw == index_of(image)
    assert (await cloud.pull(digest(image.manifest), who="stranger")).raw == image.manifest
    layer = await cloud.call("GET", f"/v2/{APP}/blobs/{digest(image.layer)}", who="stranger")
    assert layer.raw == image.layer
    assert said(await cloud.pull("private", who="stranger"), 404) == "MANIFEST_UNKNOWN"
    hidden = await cloud.call("GET", f"/v2/{APP}/blobs/{digest(other.layer)}", who="stranger")
    assert said(hidden, 404) == "BLOB_UNKNOWN"
    assert (await cloud.call("GET", f"/v2/{APP}/tags/list", who="stranger")).body["tags"] == ["1"]
    mounted = {"mount": digest(image.layer), "from": APP}
    assert (await cloud.call("POST", "/v2/theirs/x/blobs/uploads/", who="stranger", query=mounted)).status == 201
    assert await cloud.used(project_id=THEIRS) == 1
    assert (await cloud.push_manifest(image.manifest, "2", who="stranger")).status == 404
    # What takes the tag's place is seen by the same.
    await cloud.push_manifest(other.manifest, "1")
    await cloud.push("1", image=Image(b"third"))
    assert said(await cloud.pull("1", who="stranger"), 404) in ("NAME_UNKNOWN", "MANIFEST_UNKNOWN")


async def test_what_is_public_is_made_so_by_operators_each_time(cloud: Cloud) -> None:
    await cloud.push("1")
    await cloud.patch((await cloud.images())["app:1"]["id"], who="admin", visibility="public")
    assert (await cloud.pull("1", who="stranger")).status == 200
    await cloud.push("1", image=Image(b"new"))
    assert (await cloud.pull("1", who="stranger")).status == 404


async def test_an_image_taken_out_of_use_is_not_pulled_and_one_that_is_protected_not_deleted(cloud: Cloud) -> None:
    await cloud.push("1")
    id = (await cloud.images())["app:1"]["id"]
    await cloud.call("POST", f"/image/v2/images/{id}/actions/deactivate")
    assert said(await cloud.pull("1"), 403) == "DENIED"
    await cloud.call("POST", f"/image/v2/images/{id}/actions/reactivate")
    await cloud.patch(id, protected=True)
    manifest = (await cloud.pull("1")).headers["docker-content-digest"]
    assert said(await cloud.call("DELETE", f"/v2/{APP}/manifests/{manifest}"), 403) == "DENIED"


async def test_an_image_that_was_uploaded_is_pulled_by_its_id_and_its_name(cloud: Cloud) -> None:
    image = Image()
    for name, members in (("web:2", image.oci_members()), ("plain", image.docker_members())):
        words = {"name": name, "disk_format": "oci", "container_format": "docker"}
        made = await cloud.call("POST", "/image/v2/images", json.dumps(words).encode(), kind="application/json")
        id = made.ok()["id"]
        (await cloud.call("PUT", f"/image/v2/images/{id}/file", tar(members))).ok()
        repository, _, tag = name.partition(":")
        for path, reference in ((f"mine/{id}", "latest"), (f"mine/{repository}", tag or "latest")):
            found = await cloud.pull(reference, path)
            manifest = json.loads(found.raw)
            assert digest(found.raw) == found.headers["docker-content-digest"]
            for one in (manifest["config"], *manifest["layers"]):
                blob = await cloud.call("GET", f"/v2/{path}/blobs/{one['digest']}")
                assert (digest(blob.raw), len(blob.raw)) == (one["digest"], one["size"])
            assert (await cloud.pull(reference, path, who="stranger")).status == 404
    assert await cloud.used("image_count_total") == 2


async def test_what_is_pushed_does_not_depend_on_an_upload_that_had_its_layers(cloud: Cloud) -> None:
    image = Image()
    words = {"name": "web", "disk_format": "oci", "container_format": "docker"}
    made = await cloud.call("POST", "/image/v2/images", json.dumps(words).encode(), kind="application/json")
    (await cloud.call("PUT", f"/image/v2/images/{made.ok()['id']}/file", tar(image.oci_members()))).ok()
    assert (await cloud.pull("latest", "mine/web")).status == 200
    again = image.manifest + b"\n"
    assert (await cloud.push_manifest(again, "mine", "mine/web")).status == 201
    await cloud.call("DELETE", f"/image/v2/images/{made.body['id']}")
    await cloud.sweep(4000)
    for data in (image.config, image.layer):
        assert (await cloud.call("GET", f"/v2/mine/web/blobs/{digest(data)}")).raw == data
    assert (await cloud.pull("latest", "mine/web")).status == 404
    assert (await cloud.pull("mine", "mine/web")).headers["content-type"] == MANIFEST
