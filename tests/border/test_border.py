"""A tenant's border, for every route and every place of an id in it: path, query, header, body.

The class: an id in a request is a claim, and somebody believes it. Whatever id of another's is said, wherever there is
room for a text, three things hold: the answer is that for an id which nobody has; no row of the database that names
one of his things comes, goes or changes; and his hosts are told, and his guests read, what they did before.

A route that is declared tomorrow is held to this without a word here. Only what upstream tells apart is written down.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path as File

import pytest

from tests.api.one_service import Answer
from tests.border.asking import (
    Tenant,
    absent,
    as_json,
    essence,
    held_names,
    is_list,
    query_words,
    routes_of,
)  # fmt: skip
from tests.border.places import Path, in_body, with_at
from tests.border.traces import WORDS, Victim, told_apart
from tests.fake_metal import FakeEngine
from tests.policies.records import Project, fill, new_project
from tests.policies.test_route_policies import LOOKING, names, path_of, settled
from tests.policies.whole_cloud import WholeCloud, whole_cloud
from trivet.api.kit.callers import NO_TOKEN
from trivet.api.kit.routes import Route
from trivet.api.kit.service import Service

BY_DESIGN = {
    # A tag is a word, and a thing has fifty at most: fewer than there are ids to try.
    ("POST", "/v2.0/{collection}/{resource_id}/tags", "tags.0"),
    # Who shares says with whom, and who trusts says whom: that other has something by it, and sees it.
    ("POST", "/v2.0/rbac-policies", "rbac_policy.target_tenant"),
    ("PUT", "/v2.0/rbac-policies/{rbac_policy_id}", "rbac_policy.target_tenant"),
    ("POST", "/v3/OS-TRUST/trusts", "trust.trustee_user_id"),
    # A key may be made for any project, and opens it no earlier than a role there does.
    ("POST", "/v3/users/{user_id}/credentials/OS-EC2", "tenant_id"),
    # A note is made once under its key, whatever that is called.
    ("POST", "/v1/secrets/{secret_id}/metadata", "key"),
    # Who is in an access list reads; and a user of a secret calls himself what he likes.
    *(
        (method, f"/v1/{kept}_id}}/acl", "read.users.0")
        for method in ("PUT", "PATCH")
        for kept in ("secrets/{secret", "containers/{container")
    ),
    *((method, "/v1/secrets/{secret_id}/consumers", "resource_id") for method in ("POST", "DELETE")),
    *((method, "/v1/containers/{container_id}/consumers", "URL") for method in ("POST", "DELETE")),
}
"""Where upstream tells another's from nobody's, too, and writes it down."""

TOLD_APART = {
    # Who is given a volume has the transfer's id, and a key that he may mistype.
    *(
        ("POST", f"/v3/{own}{transfers}/{{transfer_id}}/accept", "{transfer_id}")
        for own in ("", "{project_id}/")
        for transfers in ("os-volume-transfer", "volume-transfers")
    ),
    # A port's device may be called anything but another's server or router, and that is what the refusal says.
    ("POST", "/v2.0/ports", "port.device_id"),
    ("POST", "/v2.0/ports", "ports.0.device_id"),
    ("PUT", "/v2.0/ports/{port_id}", "port.device_id"),
    # The defaults are the same for every project that there is.
    ("GET", "/v2.1/os-quota-sets/{tenant_id}/defaults", "{tenant_id}"),
}
"""Where the refusal of another's is not that of nobody's, as upstream. Traces are looked for all the same."""

SAID_TO_BE_THERE = {("barbican", "{secret_id}"), ("barbican", "{container_id}")}
"""Where upstream says 403 of what is another's, and nothing more: its own tests ask for that."""

SERVICES = {
    "nova": (8_000, 1_200),
    "barbican": (500, 100),
    "neutron": (8_000, 2_500),
    "glance": (800, 200),
    "keystone": (10_000, 4_000),
    "registry": (30, 5),
    "swift": (30, 1),
    "cinder": (500, 100),
    "alarms": (20, 1),
    "vnffm": (20, 1),
    "ironic": (100, 10),  # what its engine answers is the engine's; who asks it is held below
    "zun": (300, 20),
    "fault-reports": (100, 5),
    "placement": (5, -1),  # no tenant has any business there
}
"""And how often a tenant asks each at least, and is let in: a border that nobody comes near is no border."""

RAMDISKS = (
    "/v1/lookup", "/v1/lookup/", "/V1/lookup", "/v1//lookup", "//v1/lookup", "/v1/nodes/../lookup",
    "/v1/nodes/./../lookup", "/v1/nodes/x/../../heartbeat/x", "/v1/heartbeat/x", "/v1/continue_inspection",
)  # fmt: skip
"""Ways to what only the deploy ramdisk may say, which comes by another door."""

SAID_BY_OTHERS = (
    "x-project-id", "x-tenant-id", "x-tenant", "x-auth-project-id", "requested-project-id", "x-user-id", "x-user",
    "x-domain-id", "x-subject-token", "x-trivet-host-secret", "x-trivet-session", "x-instance-id",
)  # fmt: skip
"""Headers in which somebody else in front of a service might say who asks, or about what."""


@pytest.fixture
async def cloud(tmp_path: File) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


class Border:
    """Between a tenant and a victim; and what has come across it."""

    def __init__(self, cloud: WholeCloud, tenant: Tenant, victim: Victim) -> None:
        self.cloud = cloud
        self.tenant = tenant
        self.victim = victim
        self.wrong: list[str] = []
        self._rows: set[object] = set()
        self._guests: object = None

    async def look(self) -> None:
        self._rows, self._guests = set(await self.victim.rows()), await self.victim.told()

    async def check_traces(self, said: str) -> None:
        rows, told = await self.victim.rows(), await self.victim.told()
        self.wrong += [f"{said}: {line}" for line in told_apart(self._rows, rows)]  # type: ignore[arg-type]
        if told != self._guests:
            self.wrong.append(f"{said}: his hosts or his guests are told something else")
        self._rows, self._guests = set(rows), told

    async def check_path(self, service: Service, route: Route, body: object) -> None:
        mine, theirs = self.tenant.project.held, self.victim.project.held
        raw = as_json(body) if body is not None else None
        for name in held_names(route, self.victim.project):
            if theirs[name] == mine.get(name):
                continue

            async def ask(id: str, name: str = name) -> Answer:
                return await self.tenant.send(service, route, mine | {name: id}, raw)

            await self._compare(service, route, f"{{{name}}}", ask, {name: theirs[name]})

    async def check_query(self, service: Service, route: Route) -> None:
        mine = self.tenant.project.held
        for word in query_words(service, await self.tenant.send(service, route, mine)):

            async def ask(id: str, word: str = word) -> Answer:
                return await self.tenant.send(service, route, mine, query=f"{word}={id}".encode())

            await self._compare(service, route, f"?{word}=", ask, self.victim.ids)

    async def check_body(self, service: Service, route: Route, kinds: list[object], good: object) -> None:
        """In a body that is good, and in one that says no more than it must: what else is said may hide the place."""
        mine = self.tenant.project.held
        bare = self.tenant.bare_of(route, kinds, good)
        for base, places in ((good, in_body([], good)), (bare, in_body(kinds, {}))):
            for place in places:

                async def ask(id: str, base: object = base, place: Path = place) -> Answer:
                    body = with_at(base, kinds, place, id, mine)
                    return await self.tenant.send(service, route, mine, as_json(body))

                await self._compare(service, route, ".".join(map(str, place)), ask, self.victim.ids)

    async def _compare(
        self, service: Service, route: Route, place: str, ask: Callable[[str], Awaitable[Answer]], ids: dict[str, str]
    ) -> None:
        """What is said of each id is what is said of nobody's. If it is not, that is asked again: what was made by the
        asking before may be what differs."""
        if (route.method, route.path, place) in BY_DESIGN:
            return
        expected: dict[bool, tuple[int, str]] = {}
        for kind, id in ids.items():
            said = f"{route.method} {route.path} {route.action or ''} {place} <{kind}>"
            shape = "-" in id
            if shape not in expected:
                expected[shape] = await self._told(service, route, ask, absent(id))
            found = await self._told(service, route, ask, id, "" if WORDS & set(place.split(".")) else said)
            if found != expected[shape]:
                expected[shape] = await self._told(service, route, ask, absent(id))
            if found[0] == 403 and (service.name, place) in SAID_TO_BE_THERE:
                continue
            if found != expected[shape] and (route.method, route.path, place) not in TOLD_APART:
                self.wrong.append(f"{said}: of nobody's {expected[shape]}, of his {found}")

    async def _told(
        self, service: Service, route: Route, ask: Callable[[str], Awaitable[Answer]], id: str, said: str = ""
    ) -> tuple[int, str]:
        answer = await ask(id)
        if answer.status < 300 and route.method not in LOOKING:
            if said:
                await self.check_traces(said)
            await self.tenant.drop(service, route, answer)
        return essence(answer, id, looking=route.method in LOOKING)


async def border_of(cloud: WholeCloud) -> Border:
    theirs, mine = await new_project(cloud, "theirs"), await new_project(cloud, "mine")
    for project in (theirs, mine):
        await fill(cloud, project)
        await settled(cloud, project)
        await hold_more(cloud, project)
    victim = Victim(cloud, theirs)
    await victim.find()
    return Border(cloud, Tenant(cloud, mine), victim)


async def hold_more(cloud: WholeCloud, project: Project) -> None:
    """Names of what the cloud made for him."""
    token = project.tokens(cloud)["member"]
    of_server = f"device_id={project.held['server_id']}".encode()
    ports = (await cloud.call("GET", "/network/v2.0/ports", token=token, query=of_server)).body["ports"]
    project.held["server_port_id"] = ports[0]["id"]
    project.held["flavor_id"] = (await cloud.call("GET", "/compute/v2.1/flavors", token=token)).body["flavors"][0]["id"]
    roomy = await cloud.made("/network/v2.0/networks", {"network": {"name": "roomy"}}, token)
    subnet = {"network_id": roomy["id"], "ip_version": 4, "cidr": "10.64.0.0/16"}
    await cloud.made("/network/v2.0/subnets", {"subnet": subnet}, token)
    project.held["roomy_network_id"] = roomy["id"]
    quotas = "/compute/v2.1/os-quota-sets/"
    wanted = {"quota_set": dict.fromkeys(("instances", "cores", "ram", "server_groups"), -1)}
    assert (await cloud.call("PUT", f"{quotas}{project.id}", wanted, token=cloud.admin)).status == 200
    words = (
        "network",
        "subnet",
        "port",
        "router",
        "security_group",
        "security_group_rule",
        "rbac_policy",
        "floatingip",
    )
    network = {"quota": dict.fromkeys(words, -1)}
    assert (await cloud.call("PUT", f"/network/v2.0/quotas/{project.id}", network, token=cloud.admin)).status == 200


PLACES_IN_HEADERS = {
    "x-copy-from": "PUT", "x-object-manifest": "PUT", "x-symlink-target": "PUT", "x-versions-location": "POST",
    "x-history-location": "POST", "destination": "COPY",
}  # fmt: skip
"""Headers of the object store that name a place, of one's own account or of another."""
ACCOUNTS_IN_HEADERS = {
    "x-copy-from": "x-copy-from-account", "x-symlink-target": "x-symlink-target-account",
    "destination": "destination-account",
}  # fmt: skip


async def test_a_place_of_anothers_in_a_header_is_a_place_of_nobodys(cloud: WholeCloud) -> None:
    """Objects have names and no ids, so the border is the account: it is said in the path and in some headers."""
    border = await border_of(cloud)
    await border.look()
    mine, theirs = border.tenant.project.held, border.victim.project.held
    let_in = 0
    for header, method in PLACES_IN_HEADERS.items():
        told = {}
        for whose, account in (("his", theirs["account"]), ("nobody's", absent(theirs["account"]))):
            place = f"{theirs['container']}/{theirs['object']}"
            named = [(header.encode(), place.encode()), (b"content-length", b"0")]
            if header in ACCOUNTS_IN_HEADERS:
                named.append((ACCOUNTS_IN_HEADERS[header].encode(), account.encode()))
            path = f"/object-store/v1/{mine['account']}/{mine['container']}"
            path += f"/{mine['object']}" if method != "POST" else ""
            answer = await cloud.call(method, path, token=border.tenant.token, headers=named)
            read = await cloud.call("GET", path, token=border.tenant.token)
            assert border.victim.project.id.encode() not in read.raw, (header, read.raw)
            told[whose] = (answer.status, read.status)
            let_in += answer.status < 300
            await border.check_traces(f"{method} {header} <{whose}>")
            back = [(b"content-length", b"4")]
            await cloud.call("PUT", path, b"mine" if method != "POST" else b"", token=border.tenant.token, headers=back)
        if told["his"] != told["nobody's"]:
            border.wrong.append(f"{method} {header}: {told}")
    assert not border.wrong, "\n".join(border.wrong)
    assert let_in > 2, "a border that nobody comes near is no border"


@pytest.mark.parametrize("name", SERVICES)
async def test_an_id_of_anothers_is_an_id_of_nobodys(
    cloud: WholeCloud, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    border = await border_of(cloud)
    await border.look()
    tenant = border.tenant
    for service, route in routes_of(cloud, name):
        kinds = await tenant.listen(service, route, monkeypatch) if route.method not in LOOKING else []
        good = tenant.body_of(route, kinds) if route.method not in LOOKING else None
        if names(route):
            await border.check_path(service, route, good)
        if is_list(route):
            await border.check_query(service, route)
        if route.method in ("POST", "PUT", "PATCH") and not route.stream:
            await border.check_body(service, route, kinds, good)
        await border.check_traces(f"{route.method} {route.path} {route.action or ''}")
    assert not border.wrong, "\n".join(border.wrong)
    assert (tenant.asked > SERVICES[name][0], tenant.accepted > SERVICES[name][1]) == (True, True)


async def test_the_engine_for_machines_is_asked_in_the_name_of_the_token(cloud: WholeCloud) -> None:
    """It keeps what is whose by its own rules, and believes us who asks: whatever a client says of himself, in headers,
    in the query, or by a path that leads out of the one that was looked at."""
    mine, theirs = await new_project(cloud, "mine"), await new_project(cloud, "theirs")
    engine = cloud.process.parts.metal
    assert isinstance(engine, FakeEngine)
    said = [*SAID_BY_OTHERS, "openstack-system-scope", "x-roles", "x-user-domain-id", "x-project-domain-id",
            "x-forwarded-host", "forwarded", "x_project_id", "x-service-token", "x-service-roles"]  # fmt: skip
    more = [(name.encode(), b"all" if "scope" in name else theirs.id.encode()) for name in said]
    asked = 0
    for service, route in cloud.routes:
        if service.name != "ironic" or route.may in NO_TOKEN:
            continue
        for role, token in mine.tokens(cloud).items():
            if role == "admin":
                continue
            engine.asked.clear()
            path = path_of(service, route, {})
            query = b"owner=" + theirs.id.encode() + b"&project=" + theirs.id.encode()
            answer = await cloud.call(route.method, path, [], token=token, headers=more, query=query)
            if answer.status == 403:
                assert (route.method in LOOKING, engine.asked) == (False, [])
                continue
            ((_, target, headers, _, who),) = engine.asked
            assert who is not None
            assert (who["x-project-id"], who["x-roles"].split(",")[0] != "admin") == (mine.id, True)
            assert "openstack-system-scope" not in who
            assert target.partition("?")[0] == path.removeprefix("/baremetal")
            assert theirs.id not in str(headers), headers
            asked += 1
    assert asked > 150
    for path in RAMDISKS:
        for method in ("GET", "POST"):
            engine.asked.clear()
            answer = await cloud.call(method, f"/baremetal{path}", {}, token=mine.tokens(cloud)["manager"])
            assert (answer.status in (404, 405), engine.asked) == (True, []), (method, path, answer.status)


async def test_who_asks_is_said_by_the_token_and_by_no_header(cloud: WholeCloud) -> None:
    border = await border_of(cloud)
    tenant, theirs = border.tenant, border.victim.project
    more = [(name.encode(), theirs.id.encode()) for name in SAID_BY_OTHERS]
    more += [(b"x-roles", b"admin"), (b"x-is-admin-project", b"true"), (b"x-identity-status", b"Confirmed")]
    asked = 0
    for name in SERVICES:
        for service, route in routes_of(cloud, name):
            if route.method not in LOOKING or route.path == "/v3/auth/tokens":
                continue
            path = path_of(service, route, tenant.project.held)
            plain = await cloud.call(route.method, path, token=tenant.token)
            spoken = await cloud.call(route.method, path, token=tenant.token, headers=more)
            asked += 1
            if essence(plain, theirs.id, looking=True) != essence(spoken, theirs.id, looking=True):
                border.wrong.append(f"{route.method} {path}: {plain.raw[:200]!r} but {spoken.raw[:200]!r}")
    assert not border.wrong, "\n".join(border.wrong)
    assert asked > 150
