"""Containers: lists of what is in them, whom they are shared with, and what becomes of what was in them."""

import json

from tests.api.object.object_cloud import ACCOUNT, Cloud, cloud
from tests.api.one_service import MINE, THEIRS

__all__ = ["cloud"]

NAMES = ["a", "b/1", "b/2", "b/c/3", "c", "d/4", "é", "ü/5"]


async def filled(cloud: Cloud) -> None:
    await cloud.put("box")
    for name in NAMES:
        await cloud.put(f"box/{name}", name.encode())


async def test_a_list_is_in_the_order_of_its_bytes_and_pages(cloud: Cloud) -> None:
    await filled(cloud)
    assert await cloud.names("box") == NAMES
    assert await cloud.names("box?reverse=on") == NAMES[::-1]
    assert await cloud.names("box?limit=2&marker=b/1") == ["b/2", "b/c/3"]
    assert await cloud.names("box?marker=a&end_marker=c") == ["b/1", "b/2", "b/c/3"]
    assert await cloud.names("box?reverse=1&marker=c&limit=2") == ["b/c/3", "b/2"]
    assert await cloud.names("box?prefix=b/") == ["b/1", "b/2", "b/c/3"]
    assert (await cloud.get("box?limit=10001")).status == 412
    assert (await cloud.get("box?prefix=zzz")).status == 204


async def test_what_lies_behind_a_delimiter_is_told_as_one(cloud: Cloud) -> None:
    await filled(cloud)
    folded = ["a", "b/", "c", "d/", "é", "ü/"]
    assert await cloud.names("box?delimiter=/") == folded
    assert await cloud.names("box?delimiter=/&reverse=true") == folded[::-1]
    assert await cloud.names("box?delimiter=/&prefix=b/") == ["b/1", "b/2", "b/c/"]
    assert await cloud.names("box?path=b") == ["b/1", "b/2"]
    for reverse in ("", "&reverse=true"):
        paged: list[str] = []
        while part := await cloud.names(f"box?delimiter=/&limit=1&marker={paged[-1] if paged else ''}{reverse}"):
            paged += part
        assert paged == (folded[::-1] if reverse else folded)


async def test_a_folder_of_many_costs_one_look(cloud: Cloud) -> None:
    await cloud.put("box")
    for number in range(30):
        await cloud.put(f"box/many/{number:02}")
    await cloud.put("box/next")
    assert await cloud.names("box?delimiter=/&limit=2") == ["many/", "next"]
    assert await cloud.names("box?delimiter=/&limit=1") == ["many/"]


async def test_lists_in_json_and_xml(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/a&b", b"12345", content_type="text/a")
    await cloud.put("box/dir/x")
    (one, folder) = json.loads((await cloud.get("box?format=json&delimiter=/")).raw)
    assert folder == {"subdir": "dir/"}
    assert (one["name"], one["bytes"], one["content_type"]) == ("a&b", 5, "text/a")
    assert one["hash"] == "827ccb0eea8a706c4c34a16891f84e7b"
    xml = (await cloud.get("box?delimiter=/", accept="application/xml")).raw.decode()
    assert "<name>a&amp;b</name>" in xml
    assert '<subdir name="dir/"><name>dir/</name></subdir>' in xml
    (box,) = json.loads((await cloud.call("GET", ACCOUNT, accept="application/json")).raw)
    assert (box["name"], box["count"], box["bytes"]) == ("box", 2, 5)
    assert (await cloud.get("box", accept="image/png")).status == 406


async def test_what_is_said_of_a_container_is_added_and_taken_away(cloud: Cloud) -> None:
    await cloud.put("box", x_container_meta_a="1", x_container_meta_b="2")
    await cloud.call("POST", f"{ACCOUNT}/box", x_container_meta_c="3", x_remove_container_meta_a="x")
    head = (await cloud.call("HEAD", f"{ACCOUNT}/box")).headers
    assert [head.get(f"x-container-meta-{name}") for name in "abc"] == [None, "2", "3"]
    assert (await cloud.call("PUT", f"{ACCOUNT}/box")).status == 202


async def test_a_container_is_shared_with_whom_its_list_names(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"content")
    path = f"{ACCOUNT}/box/x"
    for entry, status in (
        (f"{THEIRS}:xi", 200), (f"{THEIRS}:*", 200), ("*:xi", 200), ("*:*", 200), (f"{THEIRS}:wei", 403),
        (f"{MINE}:xi", 403), ("member", 403), (".r:*", 200),
    ):  # fmt: skip
        assert (await cloud.call("POST", f"{ACCOUNT}/box", x_container_read=entry)).status == 204
        assert (await cloud.call("GET", path, who="stranger")).status == status, entry
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/y", b"1", who="stranger")).status == 403
    assert (await cloud.call("POST", f"{ACCOUNT}/box", x_container_write=f"{THEIRS}:*")).status == 204
    assert (await cloud.call("PUT", f"{ACCOUNT}/box/y", b"1", who="stranger")).status == 201
    assert (await cloud.call("DELETE", f"{ACCOUNT}/box/y", who="stranger")).status == 204
    assert (await cloud.call("DELETE", f"{ACCOUNT}/box", who="stranger")).status == 403
    assert (await cloud.call("POST", f"{ACCOUNT}/box", who="stranger", x_container_read=".r:*")).status == 403
    head = (await cloud.call("HEAD", f"{ACCOUNT}/box", who="reader")).headers
    assert "x-container-read" not in head, "who may look need not know who else may"


async def test_a_container_is_shared_with_pages(cloud: Cloud) -> None:
    await cloud.put("box", x_container_read=".r:.example.com,.r:-bad.example.com")
    await cloud.put("box/x", b"content")
    for page, status in (
        ("http://www.example.com/p", 200), ("http://bad.example.com/", 401), ("http://example.org", 401), ("", 401),
    ):  # fmt: skip
        assert (await cloud.get("box/x", who="nobody", referer=page)).status == status, page
    assert (await cloud.get("box", who="nobody", referer="http://www.example.com/")).status == 401
    await cloud.call("POST", f"{ACCOUNT}/box", x_container_read=".r:*,.rlistings")
    assert (await cloud.get("box", who="nobody")).raw == b"x\n"
    for header, entry in (("x_container_write", ".r:*"), ("x_container_read", ".x:*"), ("x_container_read", ".r:")):
        assert (await cloud.call("POST", f"{ACCOUNT}/box", **{header: entry})).status == 400


async def test_an_account_is_shared_with_whom_its_list_names(cloud: Cloud) -> None:
    await cloud.put("box")
    await cloud.put("box/x", b"content")
    said = json.dumps({"read-only": [f"{THEIRS}:*"]})
    assert (await cloud.call("POST", ACCOUNT, x_account_access_control=said)).status == 204
    assert (await cloud.call("GET", f"{ACCOUNT}/box/x", who="stranger")).status == 200
    assert (await cloud.call("GET", ACCOUNT, who="stranger")).status == 200
    assert (await cloud.call("PUT", f"{ACCOUNT}/new", who="stranger")).status == 403
    said = json.dumps({"read-write": [f"{THEIRS}:xi"]})
    await cloud.call("POST", ACCOUNT, x_account_access_control=said)
    assert (await cloud.call("PUT", f"{ACCOUNT}/new", who="stranger")).status == 201
    assert (await cloud.call("POST", ACCOUNT, who="stranger", x_account_meta_a="1")).status == 403
    assert (await cloud.call("POST", f"{ACCOUNT}/new", who="stranger", x_container_read=".r:*")).status == 403
    assert (await cloud.call("POST", ACCOUNT, x_account_access_control="{")).status == 400


async def test_what_an_object_was_comes_back_when_it_is_deleted(cloud: Cloud) -> None:
    await cloud.put("old")
    await cloud.put("box", x_versions_location="old")
    for content in (b"one", b"two", b"three"):
        await cloud.put("box/x", content)
        cloud.clock.added_s += 1
    assert len(await cloud.names("old")) == 2
    for content in (b"three", b"two", b"one"):
        assert (await cloud.get("box/x")).raw == content
        await cloud.call("DELETE", f"{ACCOUNT}/box/x")
    assert (await cloud.get("box/x")).status == 404
    assert await cloud.names("old") == []
    await cloud.tidy()
    assert await cloud.kept() == 0


async def test_a_history_keeps_all_and_marks_what_was_deleted(cloud: Cloud) -> None:
    await cloud.put("old")
    await cloud.put("box", x_history_location="old")
    await cloud.put("box/x", b"one")
    cloud.clock.added_s += 1
    await cloud.call("DELETE", f"{ACCOUNT}/box/x")
    assert (await cloud.get("box/x")).status == 404
    kept = json.loads((await cloud.get("old?format=json")).raw)
    assert [one["bytes"] for one in kept] == [3, 0]
    assert kept[1]["content_type"].startswith("application/x-deleted")


async def test_pages_of_other_sites_read_what_they_may(cloud: Cloud) -> None:
    await cloud.put("box", x_container_read=".r:*", x_container_meta_access_control_allow_origin="http://a.example")
    await cloud.put("box/x", b"content", x_object_meta_color="red")
    found = await cloud.get("box/x", who="nobody", origin="http://a.example")
    assert found.headers["access-control-allow-origin"] == "http://a.example"
    assert "x-object-meta-color" in found.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in (await cloud.get("box/x", origin="http://b.example")).headers
    asked = {"origin": "http://a.example", "access_control_request_method": "GET"}
    assert (await cloud.call("OPTIONS", f"{ACCOUNT}/box/x", who="nobody", **asked)).status == 200
    asked["origin"] = "http://b.example"
    assert (await cloud.call("OPTIONS", f"{ACCOUNT}/box/x", who="nobody", **asked)).status == 401


async def test_a_container_is_a_web_site(cloud: Cloud) -> None:
    await cloud.put("site", x_container_read=".r:*,.rlistings", x_container_meta_web_index="index.html",
                    x_container_meta_web_error="error.html")  # fmt: skip
    await cloud.put("site/index.html", b"<p>welcome")
    await cloud.put("site/docs/index.html", b"<p>docs")
    await cloud.put("site/files/x")
    await cloud.put("site/404error.html", b"<p>nothing")
    assert (await cloud.get("site/", who="nobody")).raw == b"<p>welcome"
    assert (await cloud.get("site/docs/", who="nobody")).raw == b"<p>docs"
    moved = await cloud.get("site/docs", who="nobody")
    assert (moved.status, moved.headers["location"]) == (301, f"/object-store{ACCOUNT}/site/docs/")
    lost = await cloud.get("site/none", who="nobody")
    assert (lost.status, lost.raw) == (404, b"<p>nothing")
    assert b"index.html" in (await cloud.get("site")).raw, "who has a token gets the list"
    await cloud.call("POST", f"{ACCOUNT}/site", x_container_meta_web_listings="true")
    assert b'<a href="x">x</a>' in (await cloud.get("site/files/", who="nobody")).raw
