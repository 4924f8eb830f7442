"""How the image service says no: in the form that the client asks for, as glance does: its own client reads it."""

import pytest
from tests.api.image.image_cloud import Cloud, cloud
from tests.api.one_service import MINE, caller_of

from trivet.api.image import images as image_routes
from trivet.api.kit.request import Request

__all__ = ["cloud"]

ABSENT = "/v2/images/12345678-1234-4321-8765-123456789abc"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "text/html"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "text/html"),
        ("application/json;q=0.9, text/html;q=0.1", "application/json"),
        ("application/*", "application/json"),
        ("text/plain", "text/plain"),
        ("", "text/plain"),
        ("text/html;q=0", "text/plain"),
        (";q=x,,", "text/plain"),
    ],
)
async def test_a_refusal_has_the_form_that_was_asked_for(cloud: Cloud, accept: str, kind: str) -> None:
    answer = await cloud.call("GET", ABSENT, headers={"accept": accept})
    assert answer.status == 404
    assert answer.headers["content-type"].startswith(kind)
    assert b"No image found with ID" in answer.raw


async def test_words_of_a_client_are_no_tags_of_ours(cloud: Cloud) -> None:
    answer = await cloud.call("GET", "/v2/images", query={"sort_key": "<script>"}, headers={"accept": "*/*"})
    assert answer.status == 400
    assert b"<script>" not in answer.raw


async def test_what_was_not_committed_is_never_shown(cloud: Cloud) -> None:
    """The class: a memory by id and revision that is filled by who writes. The one whose commit fails leaves behind
    what the next one's revision is not."""

    async def patched(name: str, *, commits: bool) -> None:
        request = Request("PATCH", "", {b"content-type": b"application/openstack-images-v2.1-json-patch"}, b"",
                          cloud.parts)  # fmt: skip
        request.body = b'[{"op": "replace", "path": "/name", "value": "%s"}]' % name.encode()
        request.values = {"image_id": image["id"]}
        request.caller = caller_of(MINE)
        async with cloud.store.write() as tx:
            request.within(tx)
            await image_routes.update(request)
            if not commits:
                raise ConnectionError

    image = await cloud.create()
    with pytest.raises(ConnectionError):
        await patched("lost", commits=False)
    await patched("kept", commits=True)
    assert (await cloud.show(image["id"]))["name"] == "kept"
    assert await cloud.names() == ["kept"]


async def test_who_may_not_do_a_thing_hears_that_only_of_what_it_sees(cloud: Cloud) -> None:
    """As glance hides: who lacks the role for a call hears 403 of an image or a namespace of its own or everybody's,
    and 404 of what it does not see, so that nobody learns by refusals what others have."""
    mine, theirs = await cloud.active(), await cloud.active(who="stranger", visibility="private")
    for method, path, body in (
        ("GET", "/file", None), ("DELETE", "", None), ("PATCH", "", [{"op": "add", "path": "/name", "value": "x"}]),
        ("PUT", "/file", b"x"), ("PUT", "/tags/x", None), ("POST", "/actions/deactivate", None),
        ("POST", "/members", {"member": "1" * 32}),
        ("POST", "/import", {"method": {"name": "web-download", "uri": "http://192.0.2.1/"}}),
    ):  # fmt: skip
        for image, status in ((mine, 403), (theirs, 404)):
            (await cloud.call(method, f"/v2/images/{image['id']}{path}", body, who="reader")).refused(status)
    for name, visibility, status in (("Open", "public", 403), ("Hidden", "private", 404)):
        said = {"namespace": name, "visibility": visibility, "resource_type_associations": [{"name": f"My::{name}"}]}
        (await cloud.call("POST", "/v2/metadefs/namespaces", said, who="admin")).ok()
        path = f"/v2/metadefs/namespaces/{name}"
        (await cloud.call("DELETE", path)).refused(status)
        (await cloud.call("PUT", path, said)).refused(status)
        (await cloud.call("POST", f"{path}/tags/x")).refused(status)
        (await cloud.call("DELETE", f"{path}/objects/x")).refused(status)
    types = (await cloud.call("GET", "/v2/metadefs/resource_types")).ok()["resource_types"]
    assert {"My::Open", "My::Hidden"} <= {type["name"] for type in types}
