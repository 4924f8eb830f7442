"""Asking: one tenant's requests to every route, each with one id in it that is another's."""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import pytest

import trivet
from tests.api.one_service import Answer
from tests.border import places
from tests.border.places import Listening
from tests.fuzz.good_bodies import good_bodies
from tests.policies.records import Project
from tests.policies.test_route_policies import ACTIONS, BODIES, ask, names, path_of
from tests.policies.whole_cloud import WholeCloud
from trivet.api.kit.callers import NO_TOKEN
from trivet.api.kit.request import Request
from trivet.api.kit.routes import Route
from trivet.api.kit.service import Service

TENANTS = ("reader", "member", "manager", "token", "shared")
_HEX = re.compile(r"[0-9a-f]{32}")
_CHANCE = re.compile(
    r"token=[\w-]+|[0-9a-f][0-9a-f-]{11,}|\d{4}-\d\d-\d\d[T ][\d:.]+(Z|\+00:00)?|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|\d+"
)
_HOLDS_AN_ID = re.compile(r"(^|[_.-])(id|uuid|marker|tenant|owner|image|server|member)$")
_ASKED = re.compile(r"\.asked(?:_all|_flag)?\(\s*\"([^\"]+)\"")


class Tenant:
    """Who asks: a member of a project of his own, in which he has one of everything."""

    def __init__(self, cloud: WholeCloud, project: Project) -> None:
        self.cloud = cloud
        self.project = project
        self.token = project.tokens(cloud)["manager"]
        self.good = good_bodies(project.held)
        self.asked = 0
        self.accepted = 0
        network = project.held["network_id"]
        image = {"imageRef": project.held["image_id"], "flavorRef": project.held["flavor_id"]}
        self.bare = {
            "POST /v2.1/servers": {"server": {"name": "s", **image, "networks": [{"uuid": network}]}},
            "POST /v2.0/ports": {"port": {"network_id": project.held["roomy_network_id"]}},
        }
        """What is more than the types say that it must, and less than what can be said."""

    async def send(
        self, service: Service, route: Route, held: dict[str, str], body: Any = None, query: bytes = b""
    ) -> Answer:
        self.asked += 1
        answer = await ask(self.cloud, service, route, held, self.token, body, query)
        self.accepted += answer.status < 300
        return answer

    async def drop(self, service: Service, route: Route, made: Answer) -> None:
        """What a POST has made, if it can be deleted where it is listed: the next one finds room."""
        if route.method == "POST" and route.path.endswith("/tags"):
            await self.cloud.call("DELETE", path_of(service, route, self.project.held), token=self.token)
            return
        found = made.body
        if isinstance(found, dict) and len(found) == 1:
            found = next(iter(found.values()))
        path = re.sub(r"\{(\w+)\}", lambda match: self.project.held.get(match[1], "x"), route.path)
        for one in found if isinstance(found, list) else [found]:
            if route.method == "POST" and isinstance(one, dict) and isinstance(one.get("id"), str):
                await self.cloud.call("DELETE", f"{service.prefix}{path}/{one['id']}", token=self.token)

    async def listen(self, service: Service, route: Route, patch: pytest.MonkeyPatch) -> list[Any]:
        """The types as which the route reads its body. It is asked in the name of somebody who may do nothing here, or
        with a body that is none, so that it changes nothing."""
        listening = Listening()
        with patch.context() as place:
            place.setattr(Request, "read", listening.read())
            body = {route.action: 0} if route.action else {"nothing like it": 0}
            await self.send(service, route, self.project.held, body)
        return listening.heard

    def body_of(self, route: Route, kinds: list[Any]) -> Any:
        said = f"{route.method} {route.path}"
        if said in self.good:
            return self.good[said]
        if route.action is not None:
            return {route.action: ACTIONS[route.action]} if route.action in ACTIONS else self._smallest(kinds, route)
        return BODIES.get(said) or self._smallest(kinds, route)

    def bare_of(self, route: Route, kinds: list[Any], good: Any) -> Any:
        """A body that says no more than it must."""
        return self.bare.get(f"{route.method} {route.path}") or (self._smallest(kinds, route) if kinds else good)

    def _smallest(self, kinds: list[Any], route: Route) -> Any:
        return places.smallest(kinds, self.project.held) or ({route.action: {}} if route.action else {})


def absent(id: str) -> str:
    """An id of the same shape that nobody has."""
    first, slash, rest = id.partition("/")
    fresh = uuid.uuid4()
    return (fresh.hex if _HEX.fullmatch(first) else str(fresh)) + slash + rest


def essence(answer: Answer, id: str, *, looking: bool) -> tuple[int, str]:
    """What the answer tells, whichever id was said and whenever it was asked. Of what was made, that it was."""
    if answer.status < 300 and not looking:
        return 200, ""
    return answer.status, _CHANCE.sub("", answer.raw.decode(errors="replace").replace(id, ""))


BUSY_AFTER = {("cinder", "POST", "backups")}
"""What it is asked about is busy for a while, so that two answers in a row differ, whatever they name."""


def routes_of(cloud: WholeCloud, name: str) -> Iterator[tuple[Service, Route]]:
    for service, route in cloud.routes:
        if (service.name, route.method, route.path.rpartition("/")[2]) in BUSY_AFTER:
            continue
        if service.name == name and route.may in TENANTS and route.may not in NO_TOKEN:
            yield service, route


def words_asked(service: Service) -> set[str]:
    """What the service's handlers ask a query for."""
    folder = File(trivet.__file__).parent.joinpath(*service.package.split(".")[1:])
    return {word for file in folder.rglob("*.py") for word in _ASKED.findall(file.read_text())}


def is_list(route: Route) -> bool:
    return route.method == "GET" and not route.path.endswith("}")


def query_words(service: Service, answer: Answer) -> list[str]:
    """Of a list: what its things have, and what handlers ask for; whatever may hold an id."""
    found = set(words_asked(service))
    if isinstance(answer.body, dict):
        for listed in answer.body.values():
            if isinstance(listed, list) and listed and isinstance(listed[0], dict):
                found |= set(listed[0])
    return sorted(
        word for word in found if re.search(r"(^|[_.-])(id|uuid|marker|tenant|owner|image|server|member)$", word)
    )


NAMES = {"container", "object"}
"""In an account everybody calls his things what he likes, as others do in theirs."""


def held_names(route: Route, project: Project) -> list[str]:
    return sorted((names(route) & project.held.keys()) - NAMES)


def as_json(body: Any) -> bytes:
    return json.dumps(body).encode()
