"""Paths in which a name of several words stands before words that it may hold itself."""

import pytest
from tests.api.registry.registry_cloud import Cloud, cloud, said

__all__ = ["cloud"]


@pytest.mark.parametrize(
    "name", ["mine/manifests/a", "mine/blobs", "mine/tags/list", "mine/a/blobs/uploads", "mine/token"]
)
async def test_a_repository_may_be_called_like_a_part_of_the_path(cloud: Cloud, name: str) -> None:
    image = await cloud.push("1", name)
    assert (await cloud.pull("1", name)).raw == image.manifest
    assert (await cloud.call("GET", f"/v2/{name}/tags/list")).body == {"name": name, "tags": ["1"]}


async def test_what_is_no_path_of_a_registry_is_refused_in_its_words(cloud: Cloud) -> None:
    for path in ("/v2/mine/app", "/v2/mine/app/nothing/1", "/v2/x"):
        assert said(await cloud.call("GET", path), 404) == "NAME_UNKNOWN"
    assert said(await cloud.call("PATCH", "/v2/mine/app/manifests/1"), 405) == "UNSUPPORTED"
