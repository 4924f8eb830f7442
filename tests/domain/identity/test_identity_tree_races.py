"""Trees of identity (roles that imply others, regions, projects) are changed at two places at once: two processes on
PostgreSQL, on SQLite two requests that wait for each other's transaction. They stay trees.
"""

from typing import Any

import pytest
from tests.api.identity.identity_cloud import Cloud
from tests.api.one_service import Answer
from tests.domain.identity.test_identity_removal_races import API, Call, race, two

__all__ = ["two"]


def asking(method: str, path: str, body: Any = None) -> Call:
    async def ask(cloud: Cloud) -> Answer:
        return await cloud.call(method, f"{API}/{path}", body)

    return ask


async def test_two_roles_do_not_come_to_imply_each_other(two: tuple[Cloud, Cloud]) -> None:
    a, b = [(await two[0].make("role", "roles", name=name))["id"] for name in ("a", "b")]
    one, other = await race(two, asking("PUT", f"roles/{a}/implies/{b}"), asking("PUT", f"roles/{b}/implies/{a}"))
    assert (one.status, other.status) == (201, 400)


async def test_two_regions_do_not_come_to_lie_in_each_other(two: tuple[Cloud, Cloud]) -> None:
    for id in ("a", "b"):
        await two[0].make("region", "regions", id=id)
    one, other = await race(
        two,
        asking("PATCH", "regions/a", {"region": {"parent_region_id": "b"}}),
        asking("PATCH", "regions/b", {"region": {"parent_region_id": "a"}}),
    )
    assert (one.status, other.status) == (200, 400)


async def family(cloud: Cloud) -> tuple[str, str]:
    above = (await cloud.make("project", "projects", name="above"))["id"]
    below = (await cloud.make("project", "projects", name="below", parent_id=above, enabled=False))["id"]
    return above, below


def enabling(id: str, *, enabled: bool = True) -> Call:
    return asking("PATCH", f"projects/{id}", {"project": {"enabled": enabled}})


async def test_a_project_is_not_enabled_below_one_that_is_disabled(two: tuple[Cloud, Cloud]) -> None:
    above, below = await family(two[0])
    assert (await enabling(above, enabled=False)(two[0])).status == 200
    assert (await enabling(below)(two[0])).status == 403
    assert (await asking("PATCH", f"projects/{below}", {"project": {"name": "other"}})(two[0])).status == 200
    assert (await enabling(above)(two[0])).status == 200
    assert (await enabling(below)(two[0])).status == 200


@pytest.mark.parametrize("first", ["disabled", "made"])
@pytest.mark.parametrize("how", ["made", "enabled"])
async def test_no_project_is_enabled_below_one_that_is_disabled_at_that_moment(
    two: tuple[Cloud, Cloud], first: str, how: str
) -> None:
    above, below = await family(two[0])
    new = {"project": {"name": "new", "parent_id": above}}
    disable, make = (
        enabling(above, enabled=False),
        enabling(below) if how == "enabled" else asking("POST", "projects", new),
    )
    one, other = await race(two, *((disable, make) if first == "disabled" else (make, disable)))
    assert one.status in (200, 201), one.raw
    # Who makes one said a wrong parent; who enables or disables one is not let.
    assert other.status == (400 if (how, first) == ("made", "disabled") else 403), other.raw
