"""Refusals of services with microversions name the version as their answers do, also where there is nothing."""

from collections.abc import AsyncIterator

import pytest
from tests.api.one_service import OneService, ask, store_on

from trivet.api.compute.service import SERVICE as COMPUTE
from trivet.api.image.service import SERVICE as IMAGE
from trivet.api.kit.app import App
from trivet.api.placement.service import SERVICE as PLACEMENT


@pytest.fixture
async def app() -> AsyncIterator[App]:
    async with OneService(PLACEMENT, store_on("")) as cloud:
        yield App(cloud.parts, [PLACEMENT, COMPUTE, IMAGE])


@pytest.mark.parametrize("asked", ["1.10", "2.60"])
@pytest.mark.parametrize(("method", "path", "status"), [("GET", "nowhere", 404), ("PATCH", "", 405)])
async def test_what_is_nowhere_is_refused_at_the_version_that_was_asked_for(
    app: App, asked: str, method: str, path: str, status: int
) -> None:
    name, at = ("placement", "/placement") if asked == "1.10" else ("compute", "/compute/v2.1")
    listed = {"placement": "resource_providers", "compute": "servers"}[name]
    answer = await ask(app, method, f"{at}/{path or listed}", headers={"openstack-api-version": f"{name} {asked}"})
    assert (answer.status, answer.headers["openstack-api-version"]) == (status, f"{name} {asked}")
    lowest = await ask(app, method, f"{at}/{path or listed}", headers={})
    assert lowest.headers["openstack-api-version"] == f"{name} {'1.0' if name == 'placement' else '2.1'}"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/placement/nowhere", "placement 1.999"),
        ("/placement/nowhere", "placement x"),
        ("/image/nowhere", "image 1.1"),
        ("/", ""),
    ],
)
async def test_no_version_is_named_that_the_service_does_not_speak(app: App, path: str, said: str) -> None:
    answer = await ask(app, "GET", path, headers={"openstack-api-version": said})
    assert answer.status == 404 and "openstack-api-version" not in answer.headers
