"""How the image service says no: in the form that the client asks for, as glance does, so that its own client reads it."""

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
    """The class: a memory by id and revision that is filled by who writes. The one whose commit fails leaves behind what
    the next one's revision is not."""

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
