"""For every route there is, generated from the route table: who may call it, and what others hear.

A route that is declared tomorrow is held to the same rules without a word here. Only the exceptions are
written down, each with its reason.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.one_service import Answer
from tests.policies.records import Project, fill, new_project
from tests.policies.whole_cloud import WholeCloud, whole_cloud
from trivet.api.kit import versions
from trivet.api.kit.callers import NO_TOKEN
from trivet.api.kit.routes import Route
from trivet.api.kit.service import Service

NOBODY = "00000000-0000-4000-8000-000000000000"
LOOKING = ("GET", "HEAD")
ADMINISTERING = ("admin", "operator", "service")

CONTENT_TYPES = {
    "/v2/images/{image_id}": b"application/openstack-images-v2.1-json-patch",
    "/v2/images/{image_id}/file": b"application/octet-stream",
    "/v2/images/{image_id}/stage": b"application/octet-stream",
    "/v1/secrets/{secret_id}": b"text/plain",
}
OWN_WRITES_OF_READERS = {
    # A key pair belongs to a user and not to a project.
    ("POST", "/v2.1/os-keypairs"),
    ("DELETE", "/v2.1/os-keypairs/{name:path}"),
}

NOT_MADE = {
    "alarm_id": "is raised by the cloud, of what failed; tests/api/alarms",
    "attachment_id": "comes with a host that looks after the server; tests/api/volume",
    "capsule_ident cgsnapshot_id consistencygroup_id": "is not offered, and refused in words",
    "share_id id domain host_name": "is not offered, and refused in words",
    "collection resource_id": "stands for the nouns that have tags, and is filled in",
    "default_security_group_rule_id flavor_id type_id group_type_id": "belongs to the cloud and not to a project",
    "group_snapshot_id": "wants a group that is not busy; tests/api/volume",
    "key name namespace_name object_name property_name tag tag_name": "is a name and no id",
    "message_id request_id": "is written by the cloud about what failed or was asked",
    "network": "is the name of a server's network",
    "store_id": "is the name of a place where the operator keeps images",
}
"""Words in paths of which nothing is made here -> why. A project's own thing is none of them."""


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


def path_of(service: Service, route: Route, held: dict[str, str]) -> str:
    """The route's path, with the records that are held in it, and others' names where there are none."""
    own = {"group": "identity", "option": "driver"} | held
    if "os-keypairs" in route.path:
        own["name"] = held.get("keypair", "nothing")
    if "{collection}" in route.path:
        own |= {"collection": "networks", "resource_id": held.get("network_id", NOBODY)}

    def value(match: re.Match[str]) -> str:
        name = match[1].removesuffix(":path")
        return own.get(name, "x" if name in ("key", "tag", "name", "domain", "alias") else NOBODY)

    return service.prefix + re.sub(r"\{([^}]+)\}", value, route.path)


def names(route: Route) -> set[str]:
    return {name.removesuffix(":path") for name in re.findall(r"\{([^}]+)\}", route.path)}


async def ask(
    cloud: WholeCloud,
    service: Service,
    route: Route,
    held: dict[str, str],
    token: str | None,
    body: object = None,
    query: bytes = b"",
) -> Answer:
    """One call that reaches just this route."""
    headers = [(b"content-type", CONTENT_TYPES[route.path])] if route.path in CONTENT_TYPES else []
    if service.microversions is not None:
        low, high = service.microversions.lowest, service.microversions.newest
        version = versions.text(min(max(route.since, low) if route.since else high, route.until))
        headers += [(b"openstack-api-version", f"{service.microversions.service} {version}".encode())]
    if body is None and route.method not in LOOKING:
        body = {route.action: {}} if route.action else {}
    return await cloud.call(
        route.method, path_of(service, route, held), body, token=token, headers=headers, query=query
    )


def said(service: Service, route: Route, answer: Answer) -> str:
    action = f" {route.action}" if route.action else ""
    return f"{route.method} {service.prefix}{route.path}{action} ({route.may}): {answer.status} {answer.raw[:120]!r}"


def forbids(route: Route, answer: Answer, held: dict[str, str]) -> bool:
    """Who may not do a thing is told so; where the dialect hides what he does not see, only if he sees it."""
    hidden = route.seen is not None and not {"image_id", "namespace_name"} & names(route) & held.keys()
    return answer.status == 404 if hidden else answer.status == 403


async def test_whatever_a_path_names_is_made_for_these_tests(cloud: WholeCloud) -> None:
    """Or nobody would try whether it is hidden from others."""
    project = await new_project(cloud, "mine")
    await fill(cloud, project)
    named: set[str] = set()
    for _, route in cloud.routes:
        if route.may in ("reader", "member", "manager"):
            named |= names(route)
    excused = {name for several in NOT_MADE for name in several.split()}
    assert sorted(named - project.held.keys() - excused) == [], "make one in tests/policies/records.py"
    assert sorted(excused - named) == []


async def test_no_route_answers_without_a_token_or_with_a_bad_one(cloud: WholeCloud) -> None:
    wrong = []
    for service, route in cloud.routes:
        if route.may != "public":
            for token in (None, "nonsense", cloud.admin[:-6] + "AAAAAA"):
                answer = await ask(cloud, service, route, {}, token)
                if service.name == "s3":
                    # Its callers sign, and who does not is told so in S3's words, which have no 401.
                    assert answer.status == 403, said(service, route, answer)
                elif answer.status != 401 or "www-authenticate" not in answer.headers:
                    wrong.append(said(service, route, answer))
    assert wrong == []


async def test_a_reader_looks_at_everything_of_its_project(cloud: WholeCloud) -> None:
    project = await new_project(cloud, "mine")
    await fill(cloud, project)
    token = project.tokens(cloud)["reader"]
    wrong, looked = [], 0
    for service, route in cloud.routes:
        if route.may == "reader" and route.method in LOOKING:
            answer = await ask(cloud, service, route, project.held, token)
            looked += answer.status == 200
            if answer.status in (401, 403) or answer.status >= 500:
                wrong.append(said(service, route, answer))
    assert wrong == []
    assert looked > 60


async def test_a_reader_cannot_write(cloud: WholeCloud) -> None:
    project = await new_project(cloud, "mine")
    await fill(cloud, project)
    token = project.tokens(cloud)["reader"]
    wrong = []
    for service, route in cloud.routes:
        if route.method in LOOKING or route.may in (*NO_TOKEN, "token"):
            continue
        if route.may == "reader":
            if (route.method, route.path) not in OWN_WRITES_OF_READERS:
                wrong.append(f"{route.method} {route.path} writes, and every reader may")
            continue
        answer = await ask(cloud, service, route, project.held, token)
        if not forbids(route, answer, project.held):
            wrong.append(said(service, route, answer))
    assert wrong == []


@pytest.mark.parametrize("role", ["member", "manager"])
async def test_who_is_no_operator_cannot_administer(cloud: WholeCloud, role: str) -> None:
    project = await new_project(cloud, "mine")
    await fill(cloud, project)
    token = project.tokens(cloud)[role]
    wrong = []
    for service, route in cloud.routes:
        if route.may in ADMINISTERING:
            answer = await ask(cloud, service, route, project.held, token)
            if not forbids(route, answer, project.held):
                wrong.append(said(service, route, answer))
    assert wrong == []


async def test_another_project_hears_that_there_is_no_such_thing(cloud: WholeCloud) -> None:
    theirs, mine = await new_project(cloud, "theirs"), await new_project(cloud, "mine")
    await fill(cloud, theirs)
    before = await settled(cloud, theirs)
    wrong, refused = [], 0
    for role in ("member", "manager"):
        token = mine.tokens(cloud)[role]
        for service, route in cloud.routes:
            if route.may not in ("reader", "member", "manager") or service.name == "keystone":
                continue
            if not names(route) & theirs.held.keys() and "{collection}" not in route.path:
                continue
            answer = await ask(cloud, service, route, theirs.held, token, body_of(route))
            refused += answer.status == 404
            if not allowed(route, answer):
                wrong.append(said(service, route, answer))
    assert wrong == []
    assert refused > 300
    assert await view(cloud, theirs) == before, "nothing of theirs has changed"


async def test_identity_tells_nobody_about_others_and_changes_nothing_for_them(cloud: WholeCloud) -> None:
    theirs, mine = await new_project(cloud, "theirs"), await new_project(cloud, "mine")
    theirs.held |= {"user_id": theirs.user_id, "project_id": theirs.id, "domain_id": "default"}
    roles = (await cloud.call("GET", "/identity/v3/roles", token=cloud.admin)).body["roles"]
    theirs.held["role_id"] = next(role["id"] for role in roles if role["name"] == "member")
    group = await cloud.made("/identity/v3/groups", {"group": {"name": "g"}}, cloud.admin)
    theirs.held["group_id"] = group["id"]
    wrong = []
    for role in ("reader", "member"):
        token = mine.tokens(cloud)[role]
        for service, route in cloud.routes:
            if service.name != "keystone" or route.may != "token":
                continue
            private = names(route) & {"user_id", "project_id", "group_id"}
            if route.method in LOOKING and not private:
                continue
            if route.method == "DELETE" and route.path == "/v3/auth/tokens":
                # Revokes the token that is in X-Subject-Token, so it is asked for below.
                continue
            answer = await ask(cloud, service, route, theirs.held, token)
            if answer.status not in (400, 403, 404, 409):
                wrong.append(said(service, route, answer))
    assert wrong == []
    other = [(b"x-subject-token", theirs.tokens(cloud)["member"].encode())]
    for method in ("GET", "DELETE"):
        answer = await cloud.call(method, "/identity/v3/auth/tokens", token=mine.tokens(cloud)["member"], headers=other)
        assert answer.status in (403, 404), answer.raw


async def test_with_strict_scope_operators_are_of_the_system(tmp_path: Path) -> None:
    async with whole_cloud(tmp_path, strict_scope=True) as cloud:
        user = "someone"
        system_reader = cloud.token("reader", None, user, system=True, strict_scope=True)
        system_admin = cloud.token("admin", None, user, system=True, strict_scope=True)
        project_admin = cloud.token("admin", cloud.project_id, user, strict_scope=True)
        wrong = []
        for service, route in cloud.routes:
            if route.may not in ADMINISTERING:
                continue
            looks = route.may in ("operator", "service") and route.method in LOOKING
            for token, may in ((project_admin, False), (system_reader, looks)):
                answer = await ask(cloud, service, route, {}, token)
                if forbids(route, answer, {}) == may and not (may and answer.status == 404):
                    wrong.append(said(service, route, answer))
        assert wrong == []
        for path in ("/compute/v2.1/os-hypervisors", "/compute/v2.1/os-services", "/identity/v3/users"):
            assert (await cloud.call("GET", path, token=system_reader)).status == 200
            assert (await cloud.call("GET", path, token=system_admin)).status == 200
        for path in ("/compute/v2.1/os-hypervisors", "/identity/v3/services"):
            assert (await cloud.call("GET", path, token=project_admin)).status == 403
        server = {"server": {"name": "s", "imageRef": NOBODY, "flavorRef": "1", "networks": "none"}}
        assert (await cloud.call("POST", "/compute/v2.1/servers", server, token=system_reader)).status == 403


async def test_a_system_reader_changes_nothing_anywhere(cloud: WholeCloud) -> None:
    token = cloud.token("reader", None, "someone", system=True)
    wrong = []
    for service, route in cloud.routes:
        if route.method not in LOOKING and route.may not in (*NO_TOKEN, "token", "reader"):
            answer = await ask(cloud, service, route, {}, token)
            if not forbids(route, answer, {}):
                wrong.append(said(service, route, answer))
    assert wrong == []


# -- what others' records are


ACTIONS: dict[str, object] = {
    "os-reimage": {"image_id": NOBODY},
    "addFixedIp": {"networkId": NOBODY},
    "removeFixedIp": {"address": "10.1.0.9"},
    "addFloatingIp": {"address": "172.24.4.9"},
    "removeFloatingIp": {"address": "172.24.4.9"},
    "addSecurityGroup": {"name": "g"},
    "removeSecurityGroup": {"name": "g"},
    "createImage": {"name": "stolen"},
    "createBackup": {"name": "stolen", "backup_type": "daily", "rotation": 1},
    "reboot": {"type": "HARD"},
    "rebuild": {"imageRef": NOBODY},
    "resize": {"flavorRef": "1"},
    "changePassword": {"adminPass": "stolen"},
    "trigger_crash_dump": None,
    "delete": {"delete-volumes": False},
    "os-extend": {"new_size": 2},
    "os-set_bootable": {"bootable": True},
    "os-update_readonly_flag": {"readonly": True},
    "os-volume_upload_image": {"image_name": "stolen"},
    "os-set_image_metadata": {"metadata": {"a": "b"}},
    "os-unset_image_metadata": {"key": "a"},
    "os-attach": {"instance_uuid": NOBODY, "mountpoint": "/dev/vdb"},
    "os-retype": {"new_type": "__DEFAULT__"},
    "os-reset_status": {"status": "available"},
    "os-update_snapshot_status": {"status": "available"},
    "revert": {"snapshot_id": NOBODY},
    "os-getRDPConsole": {"type": "rdp-html5"},
    "os-getSPICEConsole": {"type": "spice-html5"},
    "os-getSerialConsole": {"type": "serial"},
    "os-getVNCConsole": {"type": "novnc"},
}
BODIES: dict[str, object] = {
    "PATCH /v2/images/{image_id}": [{"op": "replace", "path": "/name", "value": "stolen"}],
    "POST /v2/images/{image_id}/import": {"method": {"name": "glance-direct"}},
    "POST /v2/images/{image_id}/locations": {"url": "http://192.0.2.1/stolen"},
    "POST /v2/images/{image_id}/members": {"member": NOBODY.replace("-", "")},
    "PUT /v2/images/{image_id}/members/{member_id}": {"status": "accepted"},
    "POST /v2.1/servers/{server_id}/remote-consoles": {"remote_console": {"protocol": "vnc", "type": "novnc"}},
    "PUT /v2.1/servers/{server_id}": {"server": {"name": "stolen"}},
    "POST /v2.1/servers/{server_id}/os-volume_attachments": {"volumeAttachment": {"volumeId": NOBODY}},
    "PUT /v2.1/servers/{server_id}/os-volume_attachments/{volume_id}": {"volumeAttachment": {"volumeId": NOBODY}},
    "PUT /v3/groups/{group_id}": {"group": {"name": "stolen"}},
    "PUT /v3/volumes/{volume_id}": {"volume": {"name": "stolen"}},
    "PUT /v3/backups/{backup_id}": {"backup": {"name": "stolen"}},
    "POST /v3/backups/{backup_id}/restore": {"restore": {"name": "stolen"}},
    "PUT /v3/snapshots/{snapshot_id}": {"snapshot": {"name": "stolen"}},
    "POST /v3/os-volume-transfer/{transfer_id}/accept": {"accept": {"auth_key": "0123456789abcdef"}},
    "POST /v3/volume-transfers/{transfer_id}/accept": {"accept": {"auth_key": "0123456789abcdef"}},
    "PUT /v2.1/os-security-groups/{security_group_id}": {"security_group": {"name": "stolen", "description": "x"}},
}


def body_of(route: Route) -> object:
    """A body that is good, so that the refusal is about the record and not about the body."""
    if route.action is not None:
        return {route.action: ACTIONS.get(route.action, {})}
    said = f"{route.method} {route.path}"
    if said in BODIES:
        return BODIES[said]
    if route.method not in ("PUT", "POST"):
        return None
    if route.path.endswith("/tags"):
        return {"tags": ["stolen"]}
    if route.path.endswith("/metadata"):
        return {"metadata": {"owner": "stolen"}}
    if route.path.endswith("/metadata/{key}"):
        return {"meta": {"x": "stolen"}}
    noun = re.fullmatch(r"/v2.0/[\w-]+/\{(\w+)_id\}", route.path)
    return {noun[1]: {"name": "stolen"} if noun[1] != "floatingip" else {"description": "stolen"}} if noun else {}


def allowed(route: Route, answer: Answer) -> bool:
    """404; or what tells nothing about the record, since nobody looked for it."""
    if route.path.startswith("/v3/{project_id}/"):
        # Block storage: the project in the path is not the token's, so nothing behind it is looked at.
        return answer.status == 400
    if route.path.endswith("/{transfer_id}/accept"):
        # Anybody may take what he has the key of.
        return answer.status == 400
    if names(route) <= {"project_id", "tenant_id"}:
        # Quotas and usage: that a project is another's is known to who names it.
        return answer.status == 403
    return answer.status in (404, 410)


async def settled(cloud: WholeCloud, project: Project) -> dict[str, Any]:
    """What its owner sees once its server has come up, on a network that reaches it, and nothing moves any more."""
    server, cards = "/compute/v2.1/servers/{server_id}", "/compute/v2.1/servers/{server_id}/os-interface"
    seen: dict[str, Any] = {}
    async with asyncio.timeout(120):
        while True:
            again = await view(cloud, project)
            states = {card["port_state"] for card in again[cards]["interfaceAttachments"]}
            if again == seen and again[server]["server"]["status"] == "ACTIVE" and states == {"ACTIVE"}:
                return seen
            seen = again
            await asyncio.sleep(0.3)


async def view(cloud: WholeCloud, project: Project) -> dict[str, Any]:
    """All that its owner sees of it, but for what grows by the second."""
    token = project.tokens(cloud)["member"]
    found: dict[str, Any] = {}
    for service, route in cloud.routes:
        if route.method == "GET" and route.may == "reader" and service.name in ("nova", "neutron", "glance", "cinder"):
            if "tenant-usage" in route.path:
                continue
            answer = await ask(cloud, service, route, project.held, token)
            if answer.status == 200 and "json" in answer.headers.get("content-type", ""):
                found[service.prefix + route.path] = answer.body
    return found
