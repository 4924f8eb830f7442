"""Several stores: images are put into one or more, copied, and read from whichever is there."""

import dataclasses
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.image.image_cloud import OCTETS, Cloud
from tests.api.one_service import MINE

from trivet.domain.identity.catalog.services import SERVICES, Service
from trivet.domain.identity.people.projects import DEFAULT_DOMAIN, PROJECTS, Project
from trivet.domain.images import images
from trivet.domain.images import sweep as image_sweep
from trivet.domain.limits.limits import REGISTERED_LIMITS, RegisteredLimit
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Invalid
from trivet.process import make_blobs
from trivet.setting_checks import check
from trivet.settings import Settings

DATA = b"bytes of an image" * 1000
MIB = 1 << 20


@pytest.fixture
async def cloud(database: str, tmp_path: Path) -> AsyncIterator[Cloud]:
    for name in ("fast", "archive"):
        (tmp_path / name).mkdir()
    async with Cloud(tmp_path / "data" / "blobs", database) as cloud:
        said = f"fast={tmp_path / 'fast'},archive={tmp_path / 'archive'}"
        configured(cloud, data=str(tmp_path / "data"), image_stores=said)
        yield cloud


def configured(cloud: Cloud, **settings: Any) -> None:
    cloud.parts.settings = dataclasses.replace(cloud.parts.settings, **settings)
    cloud.parts.blobs = make_blobs(check(cloud.parts.settings))


def files(tmp_path: Path, name: str) -> list[bytes]:
    return [path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()]


async def bring(cloud: Cloud, id: str, method: str = "glance-direct", data: bytes = DATA, **said: Any) -> Any:
    """The image after an import."""
    if method == "glance-direct":
        (await cloud.call("PUT", f"/v2/images/{id}/stage", data, kind=OCTETS)).ok()
    body = {"method": {"name": method}} | said
    answer = await cloud.call("POST", f"/v2/images/{id}/import", body)
    assert answer.status == 202, answer.raw
    await cloud.images.settle()
    return await cloud.show(id)


async def used(cloud: Cloud, name: str = "image_size_total") -> int:
    async with cloud.store.read() as tx:
        row = await tx.row("SELECT used FROM quota_usages WHERE resource = ? AND scope_id = ?", name, MINE)
    return int(row[0]) if row is not None else 0


async def content(cloud: Cloud, id: str) -> bytes:
    return (await cloud.call("GET", f"/v2/images/{id}/file")).raw


async def test_stores_are_told_and_details_only_to_services(cloud: Cloud, tmp_path: Path) -> None:
    found = (await cloud.call("GET", "/v2/info/stores")).ok()["stores"]
    assert [(store["id"], store.get("default")) for store in found] == [
        ("local", "true"), ("fast", None), ("archive", None)
    ]  # fmt: skip
    assert (await cloud.call("GET", "/v2/info/stores/detail")).status == 403
    detailed = (await cloud.call("GET", "/v2/info/stores/detail", who="admin")).ok()["stores"]
    assert detailed[1]["properties"] == {"data_dir": str(tmp_path / "fast")}
    answer = await cloud.call("POST", "/v2/images", {"name": "one"})
    assert answer.headers["openstack-image-store-ids"] == "local,fast,archive"


async def test_an_upload_goes_where_its_header_says(cloud: Cloud, tmp_path: Path) -> None:
    image = await cloud.create()
    path = f"/v2/images/{image['id']}/file"
    wrong = await cloud.call("PUT", path, DATA, kind=OCTETS, headers={"x-image-meta-store": "nowhere"})
    assert (wrong.status, b"nowhere" in wrong.raw) == (400, True)
    assert (await cloud.show(image["id"]))["status"] == "queued"
    assert (await cloud.call("PUT", path, DATA, kind=OCTETS, headers={"x-image-meta-store": "fast"})).status == 204
    assert (await cloud.show(image["id"]))["stores"] == "fast"
    assert files(tmp_path, "fast") == [DATA]
    assert files(tmp_path, "data") == []
    assert await content(cloud, image["id"]) == DATA


async def test_what_nobody_says_goes_into_the_default_store(cloud: Cloud, tmp_path: Path) -> None:
    configured(cloud, image_default_store="archive")
    assert (await cloud.active(DATA))["stores"] == "archive"
    imported = await bring(cloud, (await cloud.create())["id"])
    assert imported["stores"] == "archive"
    assert len([found for found in files(tmp_path, "archive") if found == DATA]) == 2


@pytest.mark.parametrize(
    ("said", "stores"),
    [({"stores": ["fast", "archive"]}, "fast,archive"), ({"all_stores": True}, "local,fast,archive")],
)
async def test_an_import_goes_to_several_stores_at_once(
    cloud: Cloud, tmp_path: Path, said: dict[str, Any], stores: str
) -> None:
    image = await cloud.create()
    (await cloud.call("PUT", f"/v2/images/{image['id']}/stage", DATA, kind=OCTETS)).ok()
    body = {"method": {"name": "glance-direct"}} | said
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", body)).ok()
    under_way = await cloud.show(image["id"])
    assert (under_way["os_glance_importing_to_stores"], under_way["os_glance_failed_import"]) == (stores, "")
    await cloud.images.settle()
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["stores"], shown["os_glance_importing_to_stores"]) == ("active", stores, "")
    assert shown["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert files(tmp_path, "fast") == files(tmp_path, "archive") == [DATA]
    assert await used(cloud) == len(stores.split(","))


@pytest.mark.parametrize(
    ("said", "header", "status"),
    [
        ({"stores": ["fast"], "all_stores": True}, None, 400),
        ({"all_stores": True}, "fast", 400),
        ({"stores": ["fast"]}, "archive", 400),
        ({"stores": []}, None, 400),
        ({"stores": ["nowhere"]}, None, 409),
        ({}, "nowhere", 409),
    ],
)
async def test_words_that_contradict_each_other_are_refused(
    cloud: Cloud, said: dict[str, Any], header: str | None, status: int
) -> None:
    image = await cloud.create()
    (await cloud.call("PUT", f"/v2/images/{image['id']}/stage", DATA, kind=OCTETS)).ok()
    body = {"method": {"name": "glance-direct"}} | said
    headers = {"x-image-meta-store": header} if header else {}
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", body, headers=headers)).refused(status)
    assert (await cloud.show(image["id"]))["status"] == "uploading"


def broken(cloud: Cloud, store: str) -> None:
    """From now on nothing can be written there."""

    async def create(key: str) -> Any:
        raise DriverError("The disk that keeps the bytes is full; free some space.", again=False)

    cloud.parts.blobs._further[f"image-{store}"].create = create  # type: ignore[attr-defined]


async def test_of_stores_that_must_all_succeed_one_that_fails_fails_all(cloud: Cloud, tmp_path: Path) -> None:
    broken(cloud, "archive")
    image = await cloud.create()
    shown = await bring(cloud, image["id"], all_stores=True)
    assert (shown["status"], shown["os_glance_importing_to_stores"]) == ("queued", "")
    assert shown["os_glance_failed_import"] == "local,fast,archive"
    assert "full" in shown["trivet_fault"]
    assert files(tmp_path, "fast") == files(tmp_path, "data") == []
    assert await used(cloud) == 0


async def test_of_stores_that_may_fail_those_that_did_are_named(cloud: Cloud, tmp_path: Path) -> None:
    broken(cloud, "fast")
    image = await cloud.create()
    shown = await bring(cloud, image["id"], all_stores=True, all_stores_must_succeed=False)
    assert (shown["status"], shown["stores"], shown["os_glance_failed_import"]) == ("active", "local,archive", "fast")
    assert files(tmp_path, "archive") == [DATA]
    only = await bring(cloud, (await cloud.create())["id"], stores=["fast"], all_stores_must_succeed=False)
    assert (only["status"], only["os_glance_failed_import"]) == ("queued", "fast")


async def test_an_image_is_copied_and_stays_in_use_meanwhile(cloud: Cloud, tmp_path: Path) -> None:
    image = await cloud.active(DATA)
    body = {"method": {"name": "copy-image"}, "stores": ["fast"]}
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", body)).ok()
    under_way = await cloud.show(image["id"])
    assert (under_way["status"], under_way["os_glance_importing_to_stores"]) == ("active", "fast")
    assert await content(cloud, image["id"]) == DATA
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", body)).refused(409)
    await cloud.images.settle()
    shown = await cloud.show(image["id"])
    assert (shown["stores"], shown["os_glance_importing_to_stores"], shown["size"]) == ("local,fast", "", len(DATA))
    assert files(tmp_path, "fast") == [DATA]
    assert await used(cloud) == 2
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", body)).refused(409)
    shown = await bring(cloud, image["id"], "copy-image", all_stores=True)
    assert shown["stores"] == "local,fast,archive"
    tasks = (await cloud.call("GET", f"/v2/images/{image['id']}/tasks")).ok()["tasks"]
    assert [task["status"] for task in tasks] == ["success", "success"]


async def test_a_copy_that_fails_leaves_the_image_as_it_was(cloud: Cloud, tmp_path: Path) -> None:
    image = await cloud.active(DATA)
    broken(cloud, "archive")
    shown = await bring(cloud, image["id"], "copy-image", stores=["fast", "archive"])
    assert (shown["status"], shown["stores"], shown["size"]) == ("active", "local", len(DATA))
    assert (shown["os_glance_importing_to_stores"], shown["os_glance_failed_import"]) == ("", "fast,archive")
    assert files(tmp_path, "fast") == []
    assert await used(cloud) == 1
    shown = await bring(cloud, image["id"], "copy-image", stores=["fast", "archive"], all_stores_must_succeed=False)
    assert (shown["stores"], shown["os_glance_failed_import"]) == ("local,fast", "archive")


async def test_damaged_bytes_are_not_copied(cloud: Cloud, tmp_path: Path) -> None:
    image = await cloud.active(DATA)
    (path,) = (path for path in (tmp_path / "data").rglob("*") if path.is_file())
    path.chmod(0o600)
    path.write_bytes(DATA[:-1] + b"!")
    shown = await bring(cloud, image["id"], "copy-image", stores=["fast"])
    assert (shown["stores"], shown["os_glance_failed_import"]) == ("local", "fast")
    assert "damaged" in shown["trivet_fault"]
    assert files(tmp_path, "fast") == []


async def test_a_copying_that_died_is_no_end_of_the_image(cloud: Cloud) -> None:
    image = await cloud.active(DATA)
    body = {"method": {"name": "copy-image"}, "stores": ["fast"]}
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", body)).ok()
    async with cloud.store.write() as tx:
        await tx.run("DELETE FROM image_tasks")
        sql = "UPDATE images SET writing_key = 'image-fast.1.x', writing_until = ?"
        await tx.run(sql, tx.clock.now() + 10)
    await cloud.silence(300)
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["size"], shown["os_glance_importing_to_stores"]) == ("active", len(DATA), "")
    assert await content(cloud, image["id"]) == DATA


async def test_one_copy_is_removed_and_the_image_is_read_from_another(cloud: Cloud, tmp_path: Path) -> None:
    image = await cloud.active(DATA)
    path = f"/v2/stores/local/{image['id']}"
    (await cloud.call("DELETE", path)).refused(403)
    (await cloud.call("DELETE", f"/v2/stores/fast/{image['id']}")).refused(404)
    await bring(cloud, image["id"], "copy-image", stores=["fast"])
    assert (await cloud.call("DELETE", path, who="stranger")).status == 404
    assert (await cloud.call("DELETE", path, who="reader")).status == 403
    assert (await cloud.call("DELETE", path)).status == 204
    assert files(tmp_path, "data") == []
    assert await content(cloud, image["id"]) == DATA
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown["stores"]) == ("active", "fast")
    assert await used(cloud) == 1
    (await cloud.call("DELETE", path)).refused(404)
    shown = await bring(cloud, image["id"], "copy-image", stores=["local"])
    assert shown["stores"] == "fast,local"


async def test_an_image_is_read_while_one_of_its_stores_has_it(cloud: Cloud, tmp_path: Path) -> None:
    image = await cloud.active(DATA)
    await bring(cloud, image["id"], "copy-image", stores=["fast"])
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            path.unlink()
    assert await content(cloud, image["id"]) == DATA


async def test_all_copies_go_with_the_image_and_its_quota(cloud: Cloud, tmp_path: Path) -> None:
    image = await cloud.create()
    await bring(cloud, image["id"], all_stores=True)
    (await cloud.call("DELETE", f"/v2/images/{image['id']}")).ok()
    assert files(tmp_path, "fast") == files(tmp_path, "archive") == files(tmp_path, "data") == []
    assert await used(cloud) == 0


async def test_copies_that_no_row_names_are_removed_and_others_are_not(cloud: Cloud, tmp_path: Path) -> None:
    image = await cloud.create()
    await bring(cloud, image["id"], all_stores=True)
    await cloud.parts.blobs.put("image-fast.1.stray", b"stray")
    cloud.clock.passed_s += 7200
    await image_sweep.sweep(cloud.parts)
    assert files(tmp_path, "fast") == files(tmp_path, "archive") == [DATA]


async def test_each_copy_is_asked_of_the_limits_before_it_is_there(cloud: Cloud, tmp_path: Path) -> None:
    async with cloud.store.write() as tx:
        domain = Project(id=DEFAULT_DOMAIN, name="Default", domain_id=None, parent_id=None, is_domain=True)
        await tx.insert(PROJECTS, domain)
        await tx.insert(PROJECTS, Project(id=MINE, name="mine", domain_id=DEFAULT_DOMAIN, parent_id=DEFAULT_DOMAIN))
        service = await tx.insert(SERVICES, Service(id=tx.ids.hex(), type="image", name="glance"))
        limit = RegisteredLimit(
            id=tx.ids.hex(), service_id=service.id, resource_name="image_size_total", default_limit=2
        )  # fmt: skip
        await tx.insert(REGISTERED_LIMITS, limit)
    image = await cloud.active(DATA)
    shown = await bring(cloud, image["id"], "copy-image", all_stores=True)
    assert (shown["stores"], shown["status"]) == ("local", "active")
    assert "limit" in shown["trivet_fault"].lower() or "quota" in shown["trivet_fault"].lower()
    assert files(tmp_path, "fast") == []
    shown = await bring(cloud, image["id"], "copy-image", stores=["archive"])
    assert shown["stores"] == "local,archive"


async def test_locations_name_the_stores_to_services_only(cloud: Cloud) -> None:
    image = await cloud.create()
    await bring(cloud, image["id"], stores=["fast", "archive"])
    path = f"/v2/images/{image['id']}/locations"
    assert (await cloud.call("GET", path)).status == 403
    found = (await cloud.call("GET", path, who="admin")).ok()
    assert [location["metadata"]["store"] for location in found] == ["fast", "archive"]


def test_an_image_that_is_older_than_stores_is_where_its_key_says() -> None:
    assert images.Image(id="1", project_id=None, blob_key="image.1.x").kept == {"local": "image.1.x"}


@pytest.mark.parametrize(
    "said",
    ["fast", "fast=relative", "local=/tmp", "a b=/tmp", "fast=/does/not/exist", "a=/tmp,b=/tmp", "a=/tmp,a=/var"],
)
def test_stores_that_cannot_be_are_refused_at_the_start(said: str) -> None:
    with pytest.raises(Invalid):
        check(Settings(image_stores=said))
    with pytest.raises(Invalid):
        check(Settings(image_default_store="nowhere"))
