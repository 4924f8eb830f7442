"""How much may be said at once. The class: a body is read whole, in one piece, before anything is known of it but where
it goes, so its length is what a stranger can make everybody wait for. Each route bounds it, also where nobody has a
token, and the few that take more than OpenStack's own services do are named here with their reason.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.policies.records import new_project
from tests.policies.whole_cloud import WholeCloud, whole_cloud
from tests.signing import signed
from trivet.api.kit.routes import BODY_MAX, LONG_BODY_MAX, OURS_BODY_MAX
from trivet.api.s3 import documents

MANIFEST, MANIFEST_MAX = ("PUT", "/v2/{repository:path}/manifests/{reference}"), 4 << 20
LONG = {
    ("POST", "/container/v1/containers"),  # files, an environment and a command in it
    ("PUT", "/baremetal/v1/nodes/{node_ident}/states/provision"),  # a config drive in it
    ("POST", "/compute/v2.1/servers"),  # files and user data in it
    ("POST", "/compute/v2.1/servers/{server_id}/action"),  # a rebuild, the same
    *((method, "/compute/v2.1/servers/{server_id}/metadata") for method in ("POST", "PUT")),  # 128 pairs
    *((method, "/compute/v2.1/images/{image_id}/metadata") for method in ("POST", "PUT")),
    # Several things at once.
    *(("POST", f"/network/v2.0/{plural}") for plural in ("networks", "subnets", "ports", "security-group-rules")),
    ("POST", "/network/v2.0/address-groups"),
    *(
        ("PUT", f"/network/v2.0/address-groups/{{address_group_id}}{tail}")
        for tail in ("", "/add_addresses", "/remove_addresses")
    ),
    MANIFEST,
    # Properties of images are long.
    ("POST", "/image/v2/images"),
    ("PATCH", "/image/v2/images/{image_id}"),
}
OURS = ("admin", "operator", "service", "host")
STREAMED_BY_TENANTS = {
    ("PUT", "/image/v2/images/{image_id}/file"),
    ("PUT", "/image/v2/images/{image_id}/stage"),
    ("POST", "/container/v1/containers/{container_ident}/put_archive"),  # an archive, bounded as it comes
}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


async def test_each_route_bounds_what_may_be_said_at_once_by_who_may_say_it(cloud: WholeCloud) -> None:
    long = set()
    for service, route in cloud.routes:
        at = (route.method, service.prefix + route.path)
        if route.stream:
            # What is streamed is never whole in our hands: bytes of images, of objects, of layers.
            streams = service.prefix in ("/object-store", "/s3", "/v2")
            assert route.may in OURS or at in STREAMED_BY_TENANTS or streams, at
        elif route.may in OURS:
            assert route.body_max <= OURS_BODY_MAX, at
        elif route.body_max > BODY_MAX:
            # A manifest is as long as the OCI's specification lets one be.
            assert route.body_max <= (MANIFEST_MAX if at == MANIFEST else LONG_BODY_MAX), at
            long.add(at)
    assert long == LONG


async def test_what_is_longer_is_refused_before_it_is_read_wherever_it_goes(cloud: WholeCloud) -> None:
    most: dict[tuple[str, str], int] = {}
    for service, route in cloud.routes:
        if not route.stream:
            at = (route.method, service.prefix + route.path)
            most[at] = max(most.get(at, 0), route.body_max)
    host = [(b"x-trivet-host-secret", b"x")]
    for (method, path), body_max in most.items():
        # No JSON at all: who had looked at it would say so.
        answer = await cloud.call(method, path, b"\0" * (body_max + 1), token=cloud.admin, headers=host)
        assert answer.status == 413, (method, path, answer.status, answer.raw[:200])


async def test_an_act_on_a_server_has_a_bound_of_its_own(cloud: WholeCloud) -> None:
    """The path is shared with a rebuild, which may be longer."""
    path = "/compute/v2.1/servers/00000000-0000-4000-8000-000000000000/action"
    for action, refused in (("reboot", True), ("rebuild", False)):
        text = b'{"%s": {"said": "%s"}}' % (action.encode(), b"x" * BODY_MAX)
        answer = await cloud.call("POST", path, text, token=cloud.admin)
        assert (answer.status == 413) is refused, (action, answer.status)


async def test_a_document_that_s3_is_sent_has_a_bound_wherever_one_is_read(cloud: WholeCloud) -> None:
    """Its routes stream, since most bodies are objects. What is read whole is not longer than the longest of use."""
    project = await new_project(cloud, "mine")
    path = f"/identity/v3/users/{project.user_id}/credentials/OS-EC2"
    token = project.tokens(cloud)["member"]
    key = (await cloud.call("POST", path, {"tenant_id": project.id}, token=token)).body["credential"]

    async def told(method: str, path: str, query: str, body: bytes) -> int:
        also = {"content-length": str(len(body))}
        said = signed(key, method, path, body, host="cloud:8774", query=query, also=also)
        headers = [(name.encode(), value.encode()) for name, value in said.items()]
        answer = await cloud.call(method, path, body, headers=headers, query=query.encode())
        assert answer.status == 200 or b"MaxMessageLengthExceeded" in answer.raw, (path, query, answer.raw)
        return answer.status

    assert await told("PUT", "/s3/box", "", b"") == 200
    places = [("PUT", "/s3/other", ""), ("PUT", "/s3/box", "versioning"), ("PUT", "/s3/box", "acl"),
              ("POST", "/s3/box", "delete"), ("POST", "/s3/box/a", "uploads"),
              ("POST", "/s3/box/a", "uploadId=x")]  # fmt: skip
    for method, path, query in places:
        assert await told(method, path, query, b"x" * (documents.BODY_MAX + 1)) == 400
