"""Whose a port's device is. The class: a word that a tenant writes (`device_id`, `device_owner`) leads to nothing of
another project's, by whichever door it is written and by whichever join it is followed. Each test looks at what the
victim has before and after: orders to hosts, metadata, views, routers as the engine gets them.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud as Servers
from tests.api.network.network_cloud import Client
from tests.api.one_service import MINE, THEIRS

from trivet.api.compute.service import SERVICE as COMPUTE
from trivet.api.kit.app import App
from trivet.api.network.service import SERVICE as NETWORK
from trivet.controllers.network import rows as network_rows
from trivet.domain.host_link import order_building
from trivet.domain.identity.people.projects import PROJECTS, Project
from trivet.domain.secrets import Secrets
from trivet.domain.servers import metadata
from trivet.domain.servers.servers import SERVERS

SECRETS = Secrets(b"k" * 32)


class Cloud(Servers):
    """Servers and networks of one cloud: a victim (MINE) with a server and a router, and somebody else."""

    async def fill(self) -> None:
        await super().fill()
        async with self.store.write() as tx:
            await tx.insert(PROJECTS, Project(id=THEIRS, name=THEIRS, domain_id="default", parent_id="default"))
        self.app = App(self.parts, [COMPUTE, NETWORK])
        self.server = (await self.create()).ok("server")["id"]
        await self.settle()
        self.subnet = (await self.rows("SELECT id FROM subnets"))[0][0]
        self.router = (await self.client(MINE).make("router"))["id"]
        path = f"/v2.0/routers/{self.router}/add_router_interface"
        (await self.client(MINE).call("PUT", path, {"subnet_id": self.subnet})).ok()

    def client(self, project_id: str, *roles: str) -> Client:
        return Client(self.app, self.issue(project_id, *roles, user_id=f"user-{project_id}"))

    async def of_the_victim(self) -> tuple[Any, ...]:
        """All that follows from the victim's ports."""
        async with self.store.read() as tx:
            server = await tx.need(SERVERS, self.server, "server")
            orders = await order_building.build(tx, [server.host_id or ""])
            told = await metadata.files(tx, self.server, SECRETS)
            spec = (await network_rows.routers(tx, {self.router}))[self.router]()
        shown = (await self.call("GET", f"/servers/{self.server}")).ok("server")
        interfaces = (await self.call("GET", f"/servers/{self.server}/os-interface")).ok()
        ips = (await self.call("GET", f"/servers/{self.server}/ips")).ok()
        groups = (await self.call("GET", f"/servers/{self.server}/os-security-groups")).ok()
        return orders, told, spec, shown["addresses"], interfaces, ips, groups


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with Cloud() as cloud:
        yield cloud


async def test_a_port_may_not_name_anothers_server_or_router(cloud: Cloud) -> None:
    before = await cloud.of_the_victim()
    them = cloud.client(THEIRS)
    network, _ = await them.network("10.9.0.0/24")
    port = (await them.make("port", network_id=network))["id"]
    for device_id in (cloud.server, cloud.router):
        for owner in ("", "compute:nova"):
            words = {"device_id": device_id, "device_owner": owner}
            made = await them.call("POST", "/v2.0/ports", {"port": {"network_id": network} | words})
            made.refused(409, "DeviceIDNotOwnedByTenant")
            changed = await them.call("PUT", f"/v2.0/ports/{port}", {"port": words})
            changed.refused(409, "DeviceIDNotOwnedByTenant")
    assert await cloud.of_the_victim() == before


@pytest.mark.parametrize("owner", ["network:router_interface", "network:floatingip", "network:dhcp", "NETWORK:dhcp"])
async def test_the_clouds_own_kinds_of_port_are_not_a_tenants_to_make(cloud: Cloud, owner: str) -> None:
    """Neither on a network of one's own nor by making one of an ordinary port, nor an ordinary port of one."""
    us = cloud.client(MINE)
    network, _ = await us.network("10.9.0.0/24")
    port = (await us.make("port", network_id=network))["id"]
    words = {"device_id": cloud.router, "device_owner": owner}
    for said in (words, {"device_owner": owner}):
        body = {"port": {"network_id": network} | said}
        (await us.call("POST", "/v2.0/ports", body)).refused(403, "PolicyNotAuthorized")
        (await us.call("PUT", f"/v2.0/ports/{port}", {"port": said})).refused(403, "PolicyNotAuthorized")
    leg = (await us.get("ports?device_owner=network:router_interface"))["ports"][0]
    for said in ({"device_id": ""}, {"device_owner": ""}, {"device_owner": "compute:nova"}):
        (await us.call("PUT", f"/v2.0/ports/{leg['id']}", {"port": said})).refused(403, "PolicyNotAuthorized")
    # What is said again changes nothing.
    await us.change("port", leg["id"], name="leg", device_id=leg["device_id"], device_owner=leg["device_owner"])


async def test_what_an_operator_writes_is_followed_only_inside_a_project(cloud: Cloud) -> None:
    """As rows from before this was refused would be: no join takes a port of another project for the victim's."""
    before = await cloud.of_the_victim()
    them, admin = cloud.client(THEIRS), cloud.client("0" * 32, "admin")
    network, subnet = await them.network("10.9.0.0/24")
    for owner, device_id in (("compute:nova", cloud.server), ("network:router_interface", cloud.router)):
        port = (await them.make("port", network_id=network, fixed_ips=[{"subnet_id": subnet}]))["id"]
        await admin.change("port", port, device_owner=owner, device_id=device_id)
    assert await cloud.of_the_victim() == before
    async with cloud.store.read() as tx:
        for ip in ("10.9.0.2", "10.9.0.3"):
            assert await metadata.at(tx, network, ip, SECRETS) is None
    async with cloud.store.write() as tx:
        assert not await metadata.keep_password(tx, network, "10.9.0.2", "mine now")
    found = (await cloud.call("GET", "/servers", ip="10.9.0")).ok("servers")
    assert found == []
    # A foreign leg is none that a floating IP could go through, and none that keeps the router.
    path = f"/v2.0/routers/{cloud.router}/remove_router_interface"
    (await cloud.client(MINE).call("PUT", path, {"subnet_id": subnet})).refused(404)


async def test_a_server_and_a_router_take_only_ports_of_their_project(cloud: Cloud) -> None:
    """Whoever has a network sees others' ports on it, and an operator sees all; neither makes them another's."""
    them, admin = cloud.client(THEIRS), cloud.client("0" * 32, "admin")
    network, _ = await them.network("10.9.0.0/24")
    policy = {"object_type": "network", "object_id": network, "action": "access_as_shared", "target_tenant": MINE}
    await them.make("rbac_policy", **policy)
    port = (await cloud.client(MINE).make("port", network_id=network))["id"]
    router = (await them.make("router"))["id"]
    leg = await them.call("PUT", f"/v2.0/routers/{router}/add_router_interface", {"port_id": port})
    leg.refused(400, "BadRequest")
    foreign = (await them.make("port", network_id=network))["id"]
    leg = await admin.call("PUT", f"/v2.0/routers/{cloud.router}/add_router_interface", {"port_id": foreign})
    leg.refused(400, "BadRequest")
    body = {"interfaceAttachment": {"port_id": foreign}}
    token = cloud.token("admin", "0" * 32)
    assert (await cloud.call("POST", f"/servers/{cloud.server}/os-interface", body, token=token)).status == 400
    theirs = cloud.token("member", THEIRS)
    assert (await cloud.create(networks=[{"port": port}], token=theirs)).status == 400


async def test_whoever_has_a_network_changes_nothing_about_others_ports_on_it(cloud: Cloud) -> None:
    """They see them and may take them off their network; what the ports are is for their own projects to say."""
    us, them = cloud.client(MINE), cloud.client(THEIRS)
    network, subnet = await us.network("10.9.0.0/24")
    policy = {"object_type": "network", "object_id": network, "action": "access_as_shared", "target_tenant": THEIRS}
    await us.make("rbac_policy", **policy)
    port = await them.make("port", network_id=network)
    group = (await us.get("security-groups"))["security_groups"][0]["id"]
    wishes: tuple[dict[str, Any], ...] = (
        {"name": "mine"},
        {"security_groups": []},
        {"security_groups": [group]},
        {"port_security_enabled": False, "security_groups": []},
        {"device_id": cloud.server},
        {"device_owner": "compute:nova"},
        {"fixed_ips": [{"subnet_id": subnet, "ip_address": "10.9.0.9"}]},
        {"mac_address": "fa:16:3e:00:00:01"},
        {"allowed_address_pairs": [{"ip_address": "10.9.0.9"}]},
        {"admin_state_up": False},
        {"extra_dhcp_opts": [{"opt_name": "66", "opt_value": "10.0.0.1"}]},
    )
    for words in wishes:
        (await us.call("PUT", f"/v2.0/ports/{port['id']}", {"port": words})).refused(403, "PolicyNotAuthorized")
    assert (await them.get(f"ports/{port['id']}"))["port"] == port
    await us.drop(f"ports/{port['id']}")


async def test_whoever_has_a_port_on_anothers_network_says_what_is_not_the_networks(cloud: Cloud) -> None:
    us, them = cloud.client(MINE), cloud.client(THEIRS)
    network, subnet = await us.network("10.9.0.0/24")
    policy = {"object_type": "network", "object_id": network, "action": "access_as_shared", "target_tenant": THEIRS}
    await us.make("rbac_policy", **policy)
    port = await them.make("port", network_id=network)
    path = f"/v2.0/ports/{port['id']}"
    await them.change("port", port["id"], name="n", admin_state_up=False, device_id="a thing of ours")
    await them.change("port", port["id"], fixed_ips=[{"subnet_id": subnet}])
    for words in (
        {"fixed_ips": [{"ip_address": "10.9.0.77"}]},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.9.0.9"}]},
        {"mac_address": "fa:16:3e:00:00:01"},
    ):
        (await them.call("PUT", path, {"port": words})).refused(403, "PolicyNotAuthorized")
    # A MAC is the operator's to change, also on a network of one's own.
    own = await us.make("port", network_id=network)
    said = {"port": {"mac_address": "fa:16:3e:00:00:01"}}
    (await us.call("PUT", f"/v2.0/ports/{own['id']}", said)).refused(403, "PolicyNotAuthorized")
