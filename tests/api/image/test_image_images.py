"""What image clients see: registering, looking, changing, deleting. One cloud in memory a test, four callers."""

from typing import Any

import pytest
from tests.api.image.image_cloud import Cloud, cloud
from tests.api.one_service import MINE, THEIRS

__all__ = ["cloud"]


async def test_a_new_image_is_queued_and_shows_what_was_said(cloud: Cloud) -> None:
    answer = await cloud.call(
        "POST", "/v2/images", {"name": "debian", "tags": ["b", "a"], "os_distro": "debian", "min_ram": 64}
    )
    image = answer.ok()
    assert answer.status == 201
    assert answer.headers["location"].endswith(f"/image/v2/images/{image['id']}")
    assert "glance-direct" in answer.headers["openstack-image-import-methods"]
    assert (image["status"], image["visibility"], image["owner"]) == ("queued", "shared", MINE)
    assert (image["name"], image["tags"], image["os_distro"], image["min_ram"]) == ("debian", ["a", "b"], "debian", 64)
    assert image["size"] is None
    assert image["checksum"] is None
    assert image["self"] == f"/v2/images/{image['id']}"
    assert await cloud.show(image["id"]) == image


async def test_an_id_may_be_chosen_but_never_twice_not_even_after_a_delete(cloud: Cloud) -> None:
    id = "11111111-2222-4333-8444-555555555555"
    await cloud.create(id=id)
    (await cloud.call("POST", "/v2/images", {"id": id})).refused(409)
    (await cloud.call("DELETE", f"/v2/images/{id}")).ok()
    (await cloud.call("POST", "/v2/images", {"id": id})).refused(409)
    (await cloud.call("POST", "/v2/images", {"id": id}, who="stranger")).refused(409)
    (await cloud.call("GET", f"/v2/images/{id}")).refused(404)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"disk_format": "floppy"}, 400),
        ({"container_format": "box"}, 400),
        ({"container_format": "ami", "disk_format": "raw"}, 400),
        ({"visibility": "secret"}, 400),
        ({"visibility": "public"}, 403),
        ({"owner": THEIRS}, 403),
        ({"id": "no-uuid"}, 400),
        ({"min_disk": -1}, 400),
        ({"min_ram": 2**31}, 400),
        ({"min_ram": True}, 400),
        ({"name": "x" * 256}, 400),
        ({"name": 7}, 400),
        ({"protected": "yes"}, 400),
        ({"tags": ["x" * 256]}, 400),
        ({"tags": "a"}, 400),
        ({"os_distro": 7}, 400),
        ({"x" * 256: "y"}, 400),
        ({"size": 7}, 403),
        ({"status": "active"}, 403),
        ({"locations": []}, 400),
        ({"os_glance_foo": "bar"}, 403),
        ({"deleted": "true"}, 403),
        ([], 400),
        ("text", 400),
    ],
)
async def test_words_that_make_no_sense_are_refused(cloud: Cloud, body: object, status: int) -> None:
    (await cloud.call("POST", "/v2/images", body)).refused(status)


async def test_readers_look_and_change_nothing(cloud: Cloud) -> None:
    image = await cloud.create()
    assert (await cloud.show(image["id"], who="reader"))["id"] == image["id"]
    (await cloud.call("POST", "/v2/images", {}, who="reader")).refused(403)
    (await cloud.patch(image["id"], {"op": "replace", "path": "/name", "value": "x"}, who="reader")).refused(403)
    (await cloud.call("DELETE", f"/v2/images/{image['id']}", who="reader")).refused(403)


async def test_visibility_says_who_sees_an_image_and_who_lists_it(cloud: Cloud) -> None:
    made: dict[str, Any] = {}
    for visibility in ("private", "shared", "community"):
        made[visibility] = await cloud.create(name=visibility, visibility=visibility)
    made["public"] = await cloud.create("admin", name="public", visibility="public")
    assert sorted(await cloud.names()) == ["community", "private", "public", "shared"]
    assert await cloud.names(who="stranger") == ["public"]
    assert await cloud.names(who="stranger", visibility="community") == ["community"]
    assert sorted(await cloud.names(who="stranger", visibility="all")) == ["community", "public"]
    assert await cloud.names(who="stranger", visibility="private") == []
    assert len(await cloud.names(who="admin")) == 4
    for visibility, status in (("private", 404), ("shared", 404), ("community", 200), ("public", 200)):
        answer = await cloud.call("GET", f"/v2/images/{made[visibility]['id']}", who="stranger")
        assert answer.status == status, visibility
    (await cloud.call("DELETE", f"/v2/images/{made['community']['id']}", who="stranger")).refused(403)
    (await cloud.call("DELETE", f"/v2/images/{made['private']['id']}", who="stranger")).refused(404)


async def test_hidden_images_are_listed_only_when_asked_for(cloud: Cloud) -> None:
    await cloud.create(name="old", os_hidden=True)
    await cloud.create(name="new")
    assert await cloud.names() == ["new"]
    assert await cloud.names(os_hidden="true") == ["old"]
    (await cloud.call("GET", "/v2/images", query={"os_hidden": "maybe"})).refused(400)


async def test_lists_are_narrowed_by_every_word(cloud: Cloud) -> None:
    small = await cloud.active(b"1", name="small", tags=["a", "b"], os_distro="debian", min_ram=64)
    await cloud.active(b"12345", name="large, so to speak", tags=["a"], os_distro="alpine", protected=True)
    await cloud.create(name="empty", disk_format="qcow2", container_format="docker")

    async def names(**query: object) -> set[str]:
        return set(await cloud.names_of(query))

    large = "large, so to speak"
    assert await names(name="small") == {"small"}
    assert await names(name=f'in:small,"{large}"') == {"small", large}
    assert await names(status="active") == {"small", large}
    assert await names(status="in:queued,saving") == {"empty"}
    assert await names(disk_format="qcow2") == {"empty"}
    assert await names(container_format="in:docker,bare") == {"small", large, "empty"}
    assert await names(id=f"in:{small['id']}") == {"small"}
    assert await names(tag="a") == {"small", large}
    assert await names(tag=["a", "b"]) == {"small"}
    assert await names(os_distro="alpine") == {large}
    assert await names(size_min=2) == {large}
    assert await names(size_max=2) == {"small"}
    assert await names(size=5) == {large}
    assert await names(min_ram=64) == {"small"}
    assert await names(protected="true") == {large}
    assert await names(owner=MINE) == {"small", large, "empty"}
    assert await names(owner=THEIRS) == set()
    assert await names(checksum=small["checksum"]) == {"small"}
    assert await names(os_hash_value=small["os_hash_value"]) == {"small"}
    assert await names(created_at=small["created_at"], name="small") == {"small"}
    assert await names(created_at="gt:2001-01-01T00:00:00Z") == {"small", large, "empty"}
    assert await names(updated_at="lt:2001-01-01T00:00:00Z") == set()
    for query in (
        {"created_at": "gt:yesterday"},
        {"size_min": "big"},
        {"size": "-1"},
        {"name": 'in:"open'},
        {"visibility": "x"},
        {"member_status": "x"},
        {"limit": "x"},
        {"limit": "-1"},
        {"sort": "color"},
        {"sort_dir": "up"},
        {"sort": "name", "sort_key": "size"},
        {"marker": "none"},
        {"protected": "x"},
        {"changes-since": "x"},
    ):
        (await cloud.call("GET", "/v2/images", query=query)).refused(400)


async def test_pages_follow_each_other_in_every_order(cloud: Cloud) -> None:
    for name, size in (("c", 1), ("a", 3), ("b", 1)):
        await cloud.active(b"x" * size, name=name)
    await cloud.create(name="d")

    async def walk(**query: object) -> list[str]:
        found: list[str] = []
        marker: dict[str, object] = {}
        while True:
            page = (await cloud.call("GET", "/v2/images", query={"limit": 1, **query, **marker})).ok()
            if not page["images"]:
                return found
            found.append(page["images"][0]["name"])
            marker = {"marker": page["images"][0]["id"]}
            assert f"marker={marker['marker']}" in page["next"]

    assert await walk() == ["d", "b", "a", "c"]
    assert await walk(sort="name:asc") == ["a", "b", "c", "d"]
    assert await walk(sort="size:desc,name:asc") == ["a", "b", "c", "d"]
    assert await walk(sort_key=["size", "name"], sort_dir=["asc", "desc"]) == ["d", "c", "b", "a"]
    assert await cloud.names(limit=0) == []


async def test_a_patch_adds_replaces_and_removes(cloud: Cloud) -> None:
    image = await cloud.create(os_distro="debian")
    changes: list[dict[str, object]] = [
        {"op": "replace", "path": "/name", "value": "two"},
        {"op": "add", "path": "/os_version", "value": "12"},
        {"op": "replace", "path": "/tags", "value": ["x", "y", "x"]},
        {"op": "remove", "path": "/os_distro"},
        {"op": "add", "path": "/a~1b~0c", "value": "odd"},
    ]
    changed = (await cloud.patch(image["id"], *changes)).ok()
    assert (changed["name"], changed["os_version"], changed["tags"]) == ("two", "12", ["x", "y"])
    assert "os_distro" not in changed
    assert changed["a/b~c"] == "odd"
    assert await cloud.show(image["id"]) == changed
    assert await cloud.names(os_version="12") == ["two"]
    assert await cloud.names(os_distro="debian") == []
    assert await cloud.names(tag="y") == ["two"]


async def test_the_older_patch_may_not_add_what_is_there(cloud: Cloud) -> None:
    image = await cloud.create(os_distro="debian")
    old = "application/openstack-images-v2.0-json-patch"
    (await cloud.patch(image["id"], {"replace": "/name", "value": "two"}, kind=old)).ok()
    (await cloud.patch(image["id"], {"add": "/os_distro", "value": "x"}, kind=old)).refused(409)
    (await cloud.patch(image["id"], {"add": "/x", "remove": "/y"}, kind=old)).refused(400)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"op": "replace", "path": "/status", "value": "active"}, 403),
        ({"op": "replace", "path": "/id", "value": "x"}, 403),
        ({"op": "replace", "path": "/os_hash_value", "value": "x"}, 403),
        ({"op": "add", "path": "/locations/-", "value": {"url": "file:///etc/passwd", "metadata": {}}}, 403),
        ({"op": "replace", "path": "/owner", "value": THEIRS}, 403),
        ({"op": "replace", "path": "/visibility", "value": "public"}, 403),
        ({"op": "remove", "path": "/name"}, 403),
        ({"op": "remove", "path": "/absent"}, 409),
        ({"op": "replace", "path": "/absent", "value": "x"}, 409),
        ({"op": "add", "path": "/os_glance_x", "value": "x"}, 403),
        ({"op": "add", "path": "/x", "value": 7}, 400),
        ({"op": "add", "path": "/x"}, 400),
        ({"op": "move", "path": "/x"}, 400),
        ({"op": "add", "path": "x", "value": "y"}, 400),
        ({"op": "add", "path": "/a/b", "value": "y"}, 400),
        ({"op": "add", "path": "/a~2", "value": "y"}, 400),
        ({"op": "add", "path": "//", "value": "y"}, 400),
        ({"op": "add", "value": "y"}, 400),
        ({"op": "replace", "path": "/disk_format", "value": "floppy"}, 400),
    ],
)
async def test_a_patch_that_may_not_be_is_refused(cloud: Cloud, change: dict[str, object], status: int) -> None:
    image = await cloud.create()
    (await cloud.patch(image["id"], change)).refused(status)
    assert await cloud.show(image["id"]) == image


async def test_a_patch_says_what_it_is(cloud: Cloud) -> None:
    image = await cloud.create()
    (await cloud.patch(image["id"], kind="application/json")).refused(415)
    (
        await cloud.call(
            "PATCH", f"/v2/images/{image['id']}", {"a": 1}, kind="application/openstack-images-v2.1-json-patch"
        )
    ).refused(400)


async def test_formats_are_fixed_once_there_are_bytes(cloud: Cloud) -> None:
    image = await cloud.active()
    change = {"op": "replace", "path": "/disk_format", "value": "qcow2"}
    (await cloud.patch(image["id"], change)).refused(403)


async def test_a_protected_image_is_not_deleted(cloud: Cloud) -> None:
    image = await cloud.create(protected=True)
    (await cloud.call("DELETE", f"/v2/images/{image['id']}")).refused(403)
    (await cloud.patch(image["id"], {"op": "replace", "path": "/protected", "value": False})).ok()
    (await cloud.call("DELETE", f"/v2/images/{image['id']}")).ok()
    (await cloud.call("DELETE", f"/v2/images/{image['id']}")).refused(404)


async def test_tags_come_and_go_one_by_one(cloud: Cloud) -> None:
    image = await cloud.create()
    assert (await cloud.call("PUT", f"/v2/images/{image['id']}/tags/blue")).status == 204
    assert (await cloud.call("PUT", f"/v2/images/{image['id']}/tags/blue")).status == 204
    assert (await cloud.show(image["id"]))["tags"] == ["blue"]
    assert (await cloud.call("DELETE", f"/v2/images/{image['id']}/tags/blue")).status == 204
    (await cloud.call("DELETE", f"/v2/images/{image['id']}/tags/blue")).refused(404)
    (await cloud.call("PUT", f"/v2/images/{image['id']}/tags/{'x' * 256}")).refused(400)


async def test_a_shared_image_is_listed_by_who_accepted_it(cloud: Cloud) -> None:
    image = await cloud.create(name="lent")
    members = f"/v2/images/{image['id']}/members"
    member = (await cloud.call("POST", members, {"member": THEIRS})).ok()
    assert (member["member_id"], member["image_id"], member["status"]) == (THEIRS, image["id"], "pending")
    (await cloud.call("POST", members, {"member": THEIRS})).refused(409)
    assert (await cloud.show(image["id"], who="stranger"))["name"] == "lent"
    assert await cloud.names(who="stranger") == []
    assert await cloud.names(who="stranger", visibility="shared", member_status="pending") == ["lent"]
    (await cloud.call("PUT", f"{members}/{THEIRS}", {"status": "accepted"})).refused(403)
    (await cloud.call("PUT", f"{members}/{THEIRS}", {"status": "perhaps"}, who="stranger")).refused(400)
    (await cloud.call("PUT", f"{members}/{THEIRS}", {"status": "accepted"}, who="stranger")).ok()
    assert await cloud.names(who="stranger") == ["lent"]
    (await cloud.call("POST", members, {"member": "4" * 32}, who="stranger")).refused(403)
    (await cloud.call("DELETE", f"{members}/{THEIRS}", who="stranger")).refused(403)
    assert len((await cloud.call("GET", members)).ok()["members"]) == 1
    assert (await cloud.call("DELETE", f"{members}/{THEIRS}")).status == 204
    (await cloud.call("GET", f"{members}/{THEIRS}")).refused(404)
    (await cloud.call("GET", f"/v2/images/{image['id']}", who="stranger")).refused(404)


async def test_only_shared_images_have_members(cloud: Cloud) -> None:
    image = await cloud.create(visibility="private")
    (await cloud.call("POST", f"/v2/images/{image['id']}/members", {"member": THEIRS})).refused(403)


async def test_versions_are_told_to_anybody(cloud: Cloud) -> None:
    answer = await cloud.call("GET", "/", headers={"x-auth-token": ""})
    assert answer.status == 300
    versions = answer.body["versions"]
    assert (versions[0]["id"], versions[0]["status"]) == ("v2.18", "CURRENT")
    assert versions[0]["links"][0]["href"] == "http://cloud:8774/image/v2/"
    assert (await cloud.call("GET", "/versions")).status == 200
    (await cloud.call("GET", "/v1/images")).refused(404)


async def test_usage_is_counted_and_given_back(cloud: Cloud) -> None:
    image = await cloud.active(b"x" * (1 << 20) + b"y")

    async def usage() -> tuple[int, int]:
        found = (await cloud.call("GET", "/v2/info/usage")).ok()["usage"]
        return found["image_count_total"]["usage"], found["image_size_total"]["usage"]

    assert await usage() == (1, 2)
    (await cloud.call("DELETE", f"/v2/images/{image['id']}")).ok()
    assert await usage() == (0, 0)


async def test_an_empty_id_is_no_image_and_no_list(cloud: Cloud) -> None:
    await cloud.create()
    (await cloud.call("GET", "/v2/images/")).refused(404)
    (await cloud.call("DELETE", "/v2/images/")).refused(404)
    (await cloud.call("DELETE", "/v2/images")).refused(405)
