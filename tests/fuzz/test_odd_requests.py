"""Whatever is sent, to every route: never a 5xx, never a hang, always an answer in that service's own words."""

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.one_service import Answer
from tests.fuzz import odd
from tests.fuzz.good_bodies import better, good_bodies, guess
from tests.policies.records import Project, fill, new_project
from tests.policies.test_route_policies import LOOKING, ask, path_of
from tests.policies.whole_cloud import WholeCloud, whole_cloud
from tests.postgres import PostgresCluster
from trivet.api.kit.routes import Route
from trivet.api.kit.service import Service

SHAPES = {
    "keystone": lambda body: set(body) == {"error"} and {"code", "title", "message"} <= set(body["error"]),
    "nova": lambda body: len(body) == 1 and {"code", "message"} <= set(*body.values()),
    # Whom it does not know, it tells so in keystone's words.
    "barbican": lambda body: set(body) in ({"code", "title", "description"}, {"error"}),
    "cinder": lambda body: len(body) == 1 and {"code", "message"} <= set(*body.values()),
    "neutron": lambda body: (
        set(body) == {"NeutronError"} and {"type", "message", "detail"} <= set(body["NeutronError"])
    ),
    "glance": lambda body: {"code", "title", "message"} <= set(body),
    "registry": lambda body: {"code", "message", "detail"} == set(body["errors"][0]),
    "placement": lambda body: {"status", "title", "detail"} <= set(body["errors"][0]),
}
_ENDING = ("forceDelete", "shelveOffload", "os-resetState", "lock", "os-force_delete")
"""Actions after which others would not get any further; like DELETE, they are sent to what is not there."""


class Fuzzed:
    """The cloud, its loop, and what was found wrong."""

    def __init__(self, runner: asyncio.Runner, cloud: WholeCloud, project: Project) -> None:
        self.runner = runner
        self.cloud = cloud
        self.project = project
        self.wrong: list[str] = []
        self.statuses: Counter[int] = Counter()

    def routes(self, *, looking: bool | None = None) -> list[tuple[Service, Route]]:
        return [
            (service, route)
            for service, route in self.cloud.routes
            if service.name in SHAPES and (looking is None or (route.method in LOOKING) == looking)
        ]

    def send(self, service: Service, route: Route, body: Any = None, **how: Any) -> Answer:
        """As the operator, so that nothing is refused before it was read."""
        held = {} if route.method == "DELETE" or route.action in _ENDING else self.project.held
        said = how.get("headers", "")
        if not how:
            if not isinstance(body, bytes) and body is not None:
                body = json.dumps(body).encode()
            answer = self._run(ask(self.cloud, service, route, held, self.cloud.admin, body))
        else:
            path = how.pop("path", None) or path_of(service, route, held)
            headers = how.pop("headers", [])
            answer = self._run(
                self.cloud.call(route.method, path, body, token=self.cloud.admin, headers=headers, **how)
            )
        self.judge(service, f"{route.method} {route.path} {route.action or ''} {body!r:.300} {how} {said}", answer)
        return answer

    def _run(self, call: Any) -> Answer:
        answer: Answer = self.runner.run(call)
        return answer

    def judge(self, service: Service, what: str, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        if answer.status >= 500:
            self.wrong.append(f"{what}: {answer.status} {answer.raw[:200]!r}")
        elif answer.status >= 400 and answer.raw:
            kind = answer.headers.get("content-type", "")
            if service.error_text is not None and kind.startswith("text/plain") and "application/pdf" in what:
                return
            if not kind.startswith("application/json") or not SHAPES[service.name](answer.body):
                self.wrong.append(f"{what}: not in the words of {service.name}: {kind} {answer.raw[:200]!r}")


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def fuzzed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    with ExitStack() as stack:
        database = ""
        if request.param == "postgres":
            cluster: PostgresCluster = request.getfixturevalue("shared_cluster")
            stack.enter_context(cluster.sparing())
            database = cluster.migrated_database()
        logging.disable(logging.WARNING)
        stack.callback(logging.disable, logging.NOTSET)
        runner = stack.enter_context(asyncio.Runner())
        context = whole_cloud(folder, database=database)
        cloud = runner.run(context.__aenter__())
        stack.callback(lambda: runner.run(context.__aexit__(None, None, None)))
        project = runner.run(new_project(cloud, "odd"))
        runner.run(fill(cloud, project))
        yield Fuzzed(runner, cloud, project)


@pytest.fixture(autouse=True)
def _nothing_is_wrong(fuzzed: Fuzzed) -> Iterator[None]:
    fuzzed.wrong.clear()
    yield
    assert fuzzed.wrong[:20] == [], f"{len(fuzzed.wrong)} in all"
    token = [(b"x-subject-token", fuzzed.cloud.admin.encode())]
    answer = fuzzed.runner.run(
        fuzzed.cloud.call("HEAD", "/identity/v3/auth/tokens", token=fuzzed.cloud.admin, headers=token)
    )
    assert answer.status == 200, "the caller was an operator to the end, so the routes were really reached"


def test_bodies_that_are_no_bodies(fuzzed: Fuzzed) -> None:
    for service, route in fuzzed.routes(looking=False):
        for raw in odd.RAW_BODIES:
            fuzzed.send(service, route, raw)
            if route.action is not None:
                fuzzed.send(service, route, b'{"%s": %s}' % (route.action.encode(), raw))


def test_good_bodies_with_one_thing_wrong(fuzzed: Fuzzed) -> None:
    good = good_bodies(fuzzed.project.held)
    unused = set(good)
    for service, route in fuzzed.routes(looking=False):
        said = f"{route.method} {route.path}"
        if said in good:
            unused.discard(said)
            for body in odd.odd_versions(good[said]):
                fuzzed.send(service, route, body)
    assert not unused, "these routes do not exist (any more)"
    assert fuzzed.statuses[200] + fuzzed.statuses[201] > 100, "some of it is good, so that the rest was nearly so"


def test_bodies_grown_from_what_refusals_ask_for(fuzzed: Fuzzed) -> None:
    good = good_bodies(fuzzed.project.held)
    for service, route in fuzzed.routes(looking=False):
        if f"{route.method} {route.path}" in good:
            continue
        body = guess(route)
        for _ in range(12):
            grown = better(body, fuzzed.send(service, route, body))
            if grown is None or grown == body:
                break
            body = grown
        for spoiled in odd.odd_versions(body):
            fuzzed.send(service, route, spoiled)


def test_queries(fuzzed: Fuzzed) -> None:
    for service, route in fuzzed.routes(looking=True):
        for query in odd.QUERIES:
            fuzzed.send(service, route, query=query)


def test_paths(fuzzed: Fuzzed) -> None:
    for service, route in fuzzed.routes():
        names = re.findall(r"\{[^}]+\}", route.path)
        for segment in odd.SEGMENTS:
            for name in names:
                path = route.path.replace(name, segment)
                fuzzed.send(service, route, b"{}" if route.method not in LOOKING else b"", path=path_with(
                    fuzzed, service, route, path))  # fmt: skip
    for prefix in ("", "/identity", "/compute", "/image", "/network", "/placement"):
        for tail in ("//", "/..", "/../..", "/%2e%2e/v3", "/v3//users", "/v2.1/./servers", "/" + "a/" * 5000, "/\0"):
            answer = fuzzed.runner.run(fuzzed.cloud.call("GET", prefix + tail, token=fuzzed.cloud.admin))
            assert answer.status < 500 and answer.headers["content-type"].startswith("application/json")


def path_with(fuzzed: Fuzzed, service: Service, route: Route, path: str) -> str:
    """Of the names that are left, those that are held."""
    held = fuzzed.project.held if route.method != "DELETE" else {}
    return service.prefix + re.sub(r"\{([^}]+)\}", lambda match: held.get(match[1].removesuffix(":path"), "x"), path)


def test_headers(fuzzed: Fuzzed) -> None:
    for service, route in fuzzed.routes():
        body = b"{}" if route.method not in LOOKING else b""
        for headers in odd.HEADERS:
            if route.may in ("public", "host") or headers[0][0] != b"x-auth-token":
                fuzzed.send(service, route, body, headers=headers)


def test_a_token_is_whatever_was_sent(fuzzed: Fuzzed) -> None:
    """A bad token is 401 wherever it is looked at."""
    for service, route in fuzzed.routes():
        if route.may == "public":
            continue
        for headers in odd.HEADERS:
            if headers[0][0] == b"x-auth-token":
                answer = fuzzed.runner.run(
                    fuzzed.cloud.call(route.method, path_of(service, route, {}), b"", headers=headers)
                )
                fuzzed.judge(service, f"{route.method} {route.path} {headers}", answer)
                assert answer.status == 401, (route.path, answer.status, answer.raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=1500, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_comes_to_mind(fuzzed: Fuzzed, data: st.DataObject) -> None:
    """Any route, any JSON, in the envelope that the route wants or in none."""
    routes = fuzzed.routes(looking=False)
    service, route = routes[data.draw(st.integers(0, len(routes) - 1))]
    good = good_bodies(fuzzed.project.held).get(f"{route.method} {route.path}")
    body = data.draw(JSON)
    if isinstance(good, dict):
        noun = next(iter(good))
        inner = good[noun]
        field = data.draw(st.sampled_from(sorted(inner))) if isinstance(inner, dict) and inner else None
        body = {noun: inner | {field: body} if field is not None else body}
    elif route.action is not None:
        body = {route.action: body}
    fuzzed.send(service, route, body)
    assert fuzzed.wrong == []


@settings(max_examples=1500, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_asked(fuzzed: Fuzzed, data: st.DataObject) -> None:
    routes = fuzzed.routes(looking=True)
    service, route = routes[data.draw(st.integers(0, len(routes) - 1))]
    fuzzed.send(service, route, query=data.draw(st.binary(max_size=60)))
    assert fuzzed.wrong == []
