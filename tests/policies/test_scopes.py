"""For every route there is: who acts for a domain or for the system owns nothing in the services of projects."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.policies.records import fill, new_project
from tests.policies.test_route_policies import LOOKING, OWN_WRITES_OF_READERS, ask, body_of, names, said
from tests.policies.whole_cloud import WholeCloud, whole_cloud
from trivet.api.kit.callers import NO_TOKEN

SCOPES: dict[str, dict[str, Any]] = {"domain": {"domain_id": "default"}, "system": {"system": True}}
OF_EVERYBODY = {"/v2.1/os-quota-sets/{tenant_id}/defaults"}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


@pytest.mark.parametrize("role", ["member", "manager"])
@pytest.mark.parametrize("scope", SCOPES)
async def test_without_a_project_nothing_is_made_or_changed(cloud: WholeCloud, scope: str, role: str) -> None:
    project = await new_project(cloud, "mine")
    await fill(cloud, project)
    token = cloud.token(role, None, project.user_id, **SCOPES[scope])
    wrong, refused = [], 0
    for service, route in cloud.routes:
        own = (route.method, route.path) in OWN_WRITES_OF_READERS
        if (
            service.name == "keystone"
            or route.decides == "engine"
            or route.may in NO_TOKEN
            or route.method in LOOKING
            or own
        ):
            continue
        answer = await ask(cloud, service, route, project.held, token, body_of(route))
        refused += answer.status == 403
        if answer.status != 403 and not (answer.status == 404 and route.seen is not None):
            wrong.append(said(service, route, answer))
    assert wrong == []
    assert refused > 200


@pytest.mark.parametrize("role", ["reader", "manager"])
async def test_who_acts_for_a_domain_sees_nothing_of_its_projects(cloud: WholeCloud, role: str) -> None:
    project = await new_project(cloud, "mine")
    await fill(cloud, project)
    token = cloud.token(role, None, project.user_id, **SCOPES["domain"])
    wrong = []
    for service, route in cloud.routes:
        if (
            service.name == "keystone"
            or route.decides == "engine"
            or route.may in NO_TOKEN
            or route.method not in LOOKING
        ):
            continue
        about = names(route) & project.held.keys() and route.path not in OF_EVERYBODY
        answer = await ask(cloud, service, route, project.held, token)
        if (about and answer.status == 200) or answer.status >= 500:
            wrong.append(said(service, route, answer))
    assert wrong == []
