"""For every route there is: an application credential that is narrowed to other calls is refused, and one that is
narrowed to the route's own path, with its names in braces, is not.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.one_service import Answer
from tests.policies.test_route_policies import LOOKING, ask, said
from tests.policies.whole_cloud import WholeCloud, whole_cloud
from trivet.api.kit.callers import NO_TOKEN
from trivet.api.kit.routes import Route

Rule = tuple[str, str, str]
ALWAYS = ("GET", "/v3/auth/tokens")
"""What a token says may always be asked."""
SIGNED = ("s3",)
"""Of services that look at no token: who calls signs, and these do not."""


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


def narrowed(cloud: WholeCloud, *rules: Rule) -> str:
    """An operator's program, so that nothing but the rules refuses it."""
    return cloud.token("admin", cloud.project_id, "wei", app_credential_id="program", access_rules=rules)


def is_refused(answer: Answer) -> bool:
    """An answer to HEAD does not say why."""
    return answer.status == 403 and (not answer.raw or b"access rules" in answer.raw)


def template(route: Route) -> str:
    return re.sub(r"\{[^}]+:path\}", "**", route.path)


async def test_a_program_that_may_call_something_else_calls_nothing(cloud: WholeCloud) -> None:
    elsewhere = narrowed(cloud, ("dns", "GET", "/**"), ("compute", "GET", "/v2.1/nothing/**"))
    wrong, refused = [], 0
    for service, route in cloud.routes:
        if route.may in NO_TOKEN or service.name in SIGNED or (route.method, route.path) == ALWAYS:
            continue
        other = "GET" if route.method != "GET" else "POST"
        same_path = narrowed(cloud, *((type, other, template(route)) for type in service.types))
        for token in (elsewhere, same_path):
            answer = await ask(cloud, service, route, {}, token)
            refused += is_refused(answer)
            # HEAD is looking as GET is.
            if not is_refused(answer) and not (token == same_path and route.method == "HEAD"):
                wrong.append(said(service, route, answer))
    assert wrong == []
    assert refused > 1000


async def test_a_program_looks_at_what_its_rule_names(cloud: WholeCloud) -> None:
    wrong, looked = [], 0
    for service, route in cloud.routes:
        if route.may in NO_TOKEN or route.method not in LOOKING or not service.types:
            continue
        if route.may == "shared" and route.method == "HEAD":
            # An account that is another's is refused too, and an answer to HEAD does not say why; GET does.
            continue
        for path in (template(route), "/**"):
            answer = await ask(cloud, service, route, {}, narrowed(cloud, (service.types[0], "GET", path)))
            looked += answer.status == 200
            if is_refused(answer) or answer.status >= 500:
                wrong.append(said(service, route, answer))
    assert wrong == []
    assert looked > 100
