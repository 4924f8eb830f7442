"""Every route that is written down is served, tried by the policy tests, and on the reference page."""

import importlib
from pathlib import Path

from tests.house.house import PATHS, ROOT
from tests.policies.whole_cloud import whole_cloud

from trivet.api.kit.routes import Resource
from trivet.process import services


def declared() -> set[tuple[str, str, str | None]]:
    """By any module of the dialects, whether a service finds it or not."""
    found = set()
    for module in PATHS:
        if module.startswith("trivet.api."):
            for value in vars(importlib.import_module(module)).values():
                if isinstance(value, Resource):
                    found |= {(route.method, route.path, route.action) for route in value.routes}
    return found


async def test_the_policy_tests_see_every_route_without_exception(tmp_path: Path) -> None:
    async with whole_cloud(tmp_path) as cloud:
        tried = {(route.method, route.path, route.action) for _, route in cloud.routes}
        with_policy = [route for _, route in cloud.routes if route.may]
        assert len(with_policy) == len(cloud.routes)
    assert declared() == tried


def test_the_reference_page_has_every_route_with_its_policy_and_its_file() -> None:
    page = (ROOT / "docs" / "reference" / "routes.md").read_text()
    for service in services():
        for route in service.routes():
            path = service.prefix + route.path + (f" `{route.action}`" if route.action else "")
            (line, *_) = [line for line in page.splitlines() if line.startswith(f"| {route.method} | {path} |")]
            assert f"| {route.may}" in line
            assert (ROOT / "src" / "trivet" / line.rstrip("| ").rpartition("| ")[2]).exists()
