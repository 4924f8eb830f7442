"""What a project may have of images: rows, bytes, staged bytes, uploads under way.

A limit says no before bytes are taken where their size is said, while they come where it is not, and what is counted is
given back however an upload ends.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.image.image_cloud import OCTETS, Cloud, cloud
from tests.api.one_service import MINE

from trivet.domain.identity.catalog.services import SERVICES, Service
from trivet.domain.identity.people.projects import DEFAULT_DOMAIN, PROJECTS, Project
from trivet.domain.images import data as image_data
from trivet.domain.images import sweep as image_sweep
from trivet.domain.images.images import IMAGES
from trivet.domain.images.limits import LIMITS
from trivet.domain.limits import limits
from trivet.domain.limits.limits import REGISTERED_LIMITS, RegisteredLimit
from trivet.store.store import transact
from trivet.store.tx import Tx

__all__ = ["cloud"]

MIB = 1 << 20
SIZE, STAGE, COUNT, UNDER_WAY = "image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"


@pytest.fixture
async def limited(cloud: Cloud) -> AsyncIterator[Cloud]:
    async def fill(tx: Tx) -> None:
        domain = Project(id=DEFAULT_DOMAIN, name="Default", domain_id=None, parent_id=None, is_domain=True)
        await tx.insert(PROJECTS, domain)
        await tx.insert(PROJECTS, Project(id=MINE, name="mine", domain_id=DEFAULT_DOMAIN, parent_id=DEFAULT_DOMAIN))
        service = await tx.insert(SERVICES, Service(id=tx.ids.hex(), type="image", name="glance"))
        for name, default in LIMITS.items():
            limit = RegisteredLimit(id=tx.ids.hex(), service_id=service.id, resource_name=name, default_limit=default)
            await tx.insert(REGISTERED_LIMITS, limit)

    await transact(cloud.store, fill)
    yield cloud


async def limit(cloud: Cloud, **numbers: int) -> None:
    async def act(tx: Tx) -> None:
        for name, number in numbers.items():
            await limits.set_limit(tx, MINE, name, number)

    await transact(cloud.store, act)


async def used(cloud: Cloud, name: str) -> int:
    return int((await usage(cloud))[name]["usage"])


async def usage(cloud: Cloud) -> Any:
    return (await cloud.call("GET", "/v2/info/usage")).ok()["usage"]


async def send(cloud: Cloud, id: str, data: bytes, where: str = "file", **headers: str) -> Any:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return await cloud.call("PUT", f"/v2/images/{id}/{where}", data, kind=OCTETS, headers=said)


async def test_every_limit_of_images_has_a_number_from_the_start(limited: Cloud) -> None:
    found = await usage(limited)
    assert set(found) == {SIZE, STAGE, COUNT, UNDER_WAY}
    assert all(entry["limit"] > 0 for entry in found.values())


async def test_images_are_counted(limited: Cloud) -> None:
    await limit(limited, **{COUNT: 1})
    image = await limited.create()
    (await limited.call("POST", "/v2/images", {"name": "two"})).refused(413)
    (await limited.call("DELETE", f"/v2/images/{image['id']}")).ok()
    await limited.create()


@pytest.mark.parametrize(("where", "name"), [("file", SIZE), ("stage", STAGE)])
async def test_a_size_that_is_said_is_refused_before_the_first_byte(limited: Cloud, where: str, name: str) -> None:
    await limit(limited, **{name: 10})
    image = await limited.create()
    for headers in ({"content_length": str(11 * MIB)}, {"x_openstack_image_size": str(11 * MIB)}):
        refused = await send(limited, image["id"], b"the first of many", where, **headers)
        assert name in refused.refused(413)
    (await send(limited, image["id"], b"x", where, content_length="²")).refused(400)
    assert (await limited.show(image["id"]))["status"] == "queued"
    (await send(limited, image["id"], b"x" * (10 * MIB), where, content_length=str(10 * MIB))).ok()
    assert await used(limited, name) == 10


@pytest.mark.parametrize(("where", "name"), [("file", SIZE), ("stage", STAGE)])
async def test_bytes_of_which_nobody_said_how_many_are_stopped_at_the_limit(
    limited: Cloud, where: str, name: str
) -> None:
    await limit(limited, **{name: 3})
    image = await limited.create()
    path = f"/v2/images/{image['id']}/{where}"
    answer = await limited.put_in_chunks(path, [b"x" * MIB] * 64)
    assert name in answer.refused(413)
    assert await limited.blob_keys() == set()
    assert (await used(limited, name), await used(limited, UNDER_WAY)) == (0, 0)
    (await limited.put_in_chunks(path, [b"x" * MIB] * 3)).ok()
    assert await used(limited, name) == 3


async def test_uploads_under_way_are_counted(limited: Cloud) -> None:
    await limit(limited, **{UNDER_WAY: 1})
    first, second = await limited.create(), await limited.create()
    (await send(limited, first["id"], b"staged", "stage")).ok()
    assert UNDER_WAY in (await send(limited, second["id"], b"x")).refused(413)
    assert UNDER_WAY in (await send(limited, second["id"], b"x", "stage")).refused(413)
    body = {"method": {"name": "web-download", "uri": "http://192.0.2.1/"}}
    assert UNDER_WAY in (await limited.call("POST", f"/v2/images/{second['id']}/import", body)).refused(413)
    (await limited.call("POST", f"/v2/images/{first['id']}/import", {"method": {"name": "glance-direct"}})).ok()
    await limited.images.settle()
    assert (await limited.show(first["id"]))["status"] == "active"
    (await send(limited, second["id"], b"x")).ok()
    assert (await used(limited, UNDER_WAY), await used(limited, STAGE), await used(limited, SIZE)) == (0, 0, 2)


async def test_whatever_ends_an_upload_its_counts_end(limited: Cloud) -> None:
    image = await limited.create()
    await limited.upload_in_chunks(image["id"], [b"x" * MIB, b"y" * MIB, None])
    (await send(limited, (await limited.create(disk_format="qcow2"))["id"], b"no qcow2")).refused(415)
    for where in ("file", "stage"):
        gone = await limited.create()
        (await send(limited, gone["id"], b"x", where)).ok()
        (await limited.call("DELETE", f"/v2/images/{gone['id']}")).ok()
    await killed(limited, image["id"])
    assert await used(limited, UNDER_WAY) == 1
    await limited.silence(image_data.WRITER_DEAD_S)
    await image_sweep.sweep(limited.parts)
    found = await usage(limited)
    assert {name: entry["usage"] for name, entry in found.items()} == {SIZE: 0, STAGE: 0, UNDER_WAY: 0, COUNT: 2}


async def killed(cloud: Cloud, id: str) -> None:
    """A writer that was promised 7 MiB and never came back."""

    async def begin(tx: Tx) -> None:
        image = await tx.need(IMAGES, id, "image")
        await image_data.start_writing(tx, image, "saving", image_data.new_key(cloud.parts), 7 * MIB)

    await transact(cloud.store, begin)


async def test_what_an_image_counts_goes_with_it_to_another_project(limited: Cloud) -> None:
    image = await limited.active(b"x" * (2 * MIB))
    change = {"op": "replace", "path": "/owner", "value": "2" * 32}
    (await limited.patch(image["id"], change, who="admin")).ok()
    assert (await used(limited, SIZE), await used(limited, COUNT)) == (0, 0)
