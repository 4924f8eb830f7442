"""Proofs of the identity rows, as the register words them, through a stock client against the whole cloud."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from keystoneauth1.exceptions import Unauthorized

from trivet.testing import SimCloud

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimCloud]:
    with SimCloud() as cloud:
        admin: Any = cloud.connect()
        admin.image.create_image(
            "tiny", disk_format="raw", container_format="bare", data=b"\0" * 65536, wait=True, visibility="public"
        )
        yield cloud


class Tenant:
    """A user with one role in a project."""

    def __init__(self, cloud: SimCloud, role: str, project: Any = None, domain: str = "default") -> None:
        self.admin: Any = cloud.connect()
        name = f"t{uuid.uuid4().hex[:8]}"
        identity: Any = self.admin.identity
        self.project = project or identity.create_project(name=name, domain_id=domain)
        self.user = identity.create_user(name=name, password="a good one", domain_id=domain)
        self.role = identity.find_role(role)
        identity.assign_project_role_to_user(self.project, self.user, self.role)
        self.session = cloud.session(
            user_id=self.user.id, password="a good one", project_id=self.project.id, auth_url=cloud.auth["auth_url"]
        )


def create(session: Any, cloud: SimCloud, image: str) -> Any:
    body = {"server": {"name": "s", "imageRef": image, "flavorRef": "42", "networks": "none"}}
    return session.post(
        f"{cloud.url}/compute/v2.1/servers", json=body, headers={"OpenStack-API-Version": "compute 2.79"},
        raise_exc=False,
    )  # fmt: skip


def test_an_application_credential_ends_with_the_role_it_rests_on(cloud: SimCloud) -> None:
    tenant = Tenant(cloud, "member")
    url = f"{cloud.auth['auth_url']}/users/{tenant.user.id}/application_credentials"
    made = tenant.session.post(url, json={"application_credential": {"name": "c"}}).json()["application_credential"]
    by_credential = cloud.session(
        application_credential_id=made["id"], application_credential_secret=made["secret"],
        auth_url=cloud.auth["auth_url"],
    )  # fmt: skip
    assert by_credential.get(f"{cloud.url}/compute/v2.1/servers").status_code == 200
    tenant.admin.identity.unassign_project_role_from_user(tenant.project, tenant.user, tenant.role)
    # keystoneauth asks for a new token when its own is refused, and is refused that, too.
    with pytest.raises(Unauthorized):
        by_credential.get(f"{cloud.url}/compute/v2.1/servers")


def test_two_projects_together_cannot_exceed_the_limit_of_their_domain(cloud: SimCloud) -> None:
    admin: Any = cloud.connect()
    image = next(iter(admin.image.images())).id
    domain = admin.identity.create_domain(name=f"d{uuid.uuid4().hex[:8]}")
    service = admin.identity.find_service("nova")
    body = [{"service_id": service.id, "resource_name": "servers", "resource_limit": 3, "domain_id": domain.id}]
    made = admin.session.post(f"{cloud.auth['auth_url']}/limits", json={"limits": body}, raise_exc=False)
    assert made.status_code == 201, made.text
    tenants = [Tenant(cloud, "member", domain=domain.id) for _ in range(2)]
    answers = [create(tenants[n % 2].session, cloud, image) for n in range(5)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 403, 403]
    limit = made.json()["limits"][0]["id"]
    changed = admin.session.patch(f"{cloud.auth['auth_url']}/limits/{limit}", json={"limit": {"resource_limit": 4}})
    assert changed.status_code == 200
    assert create(tenants[0].session, cloud, image).status_code == 202, "it counts from the next call"
    assert create(tenants[1].session, cloud, image).status_code == 403


@pytest.mark.parametrize("version", ["2.1", "2.42", "2.53", "2.72", "2.104"])
def test_clients_pinned_to_old_and_new_versions_make_servers_alike(version: str, cloud: SimCloud) -> None:
    import openstack  # noqa: PLC0415

    pinned: Any = openstack.connect(auth=cloud.auth, region_name="RegionOne", compute_default_microversion=version)
    network = pinned.network.create_network(name=f"n{version}")
    pinned.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.9.0.0/24")
    image = next(iter(pinned.image.images())).id
    server = pinned.compute.create_server(
        name=f"v{version}", image_id=image, flavor_id="42", networks=[{"uuid": network.id}]
    )
    assert pinned.compute.wait_for_server(server).status == "ACTIVE"
    assert server.id in {found.id for found in pinned.compute.servers(details=True)}
    pinned.compute.delete_server(server)
    pinned.compute.wait_for_delete(server)
    pinned.network.delete_network(network)
