"""Networks, images, providers and flavors go while something is made that belongs to them: two processes on PostgreSQL,
on SQLite two requests that wait for each other's transaction. Nobody is answered in the database's words.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.api.network.network_cloud import Cloud as NetworkCloud
from tests.api.one_service import MINE, THEIRS, Answer, ask, store_on
from tests.domain.identity.test_dead_tokens import filled
from tests.domain.identity.test_identity_removal_races import race
from tests.postgres import PostgresCluster

from trivet.api.compute.service import SERVICE as COMPUTE
from trivet.api.image.service import SERVICE as IMAGE
from trivet.api.kit.app import App
from trivet.api.network.service import SERVICE as NETWORK
from trivet.api.placement.service import SERVICE as PLACEMENT
from trivet.domain.network.rbac_policies import TABLE_OF
from trivet.drivers.files import FileBlobs
from trivet.errors import InTheWay
from trivet.store.store import Store, transact
from trivet.store.tx import Tx


class Cloud(NetworkCloud):
    """Every service but identity."""

    def __init__(self, store: Store, folder: Path, *, first: bool = True) -> None:
        super().__init__(store)
        self.parts.blobs = FileBlobs(folder)
        self.app = App(self.parts, [NETWORK, IMAGE, PLACEMENT, COMPUTE])
        self._first = first
        self._tokens = {"admin": self.issue("0" * 32, "admin"), "mine": self.issue(MINE, "member")}

    async def fill(self) -> None:
        if self._first:
            await super().fill()

    async def call(self, method: str, path: str, body: Any = None, who: str = "admin") -> Answer:
        said = {"x-auth-token": self._tokens[who], "content-type": "application/json"}
        said["openstack-api-version"] = "placement 1.39"
        return await ask(self.app, method, path, body, headers=said)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Cloud, Cloud]]:
    async with AsyncExitStack() as stack:
        if request.param == "sqlite":
            alone = await stack.enter_async_context(Cloud(store_on(""), tmp_path))
            yield alone, alone
            return
        cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
        url = cluster.migrated_database()
        one = await stack.enter_async_context(Cloud(store_on(url), tmp_path))
        yield one, await stack.enter_async_context(Cloud(store_on(url), tmp_path, first=False))


class Case(msgspec.Struct, frozen=True):
    """What is removed, and what is made of it."""

    remove: str
    method: str
    path: str
    body: Any = None


_NET = "/network/v2.0"
_SPACE = "/image/v2/metadefs/namespaces/space"
_SUBNET = {"network_id": "{bare}", "cidr": "10.9.0.0/24", "ip_version": 4}
_RULE = {"security_group_id": "{group}", "direction": "ingress", "remote_address_group_id": "{addresses}"}
_FLAVOR = "/compute/v2.1/flavors/{flavor}"
_PROVIDER = "/placement/resource_providers/{provider}"
_GENERATION = {"resource_provider_generation": 0}
CASES = {
    "a subnet of the network": Case(f"{_NET}/networks/{{bare}}", "POST", f"{_NET}/subnets", {"subnet": _SUBNET}),
    "a port of the network": Case(f"{_NET}/networks/{{bare}}", "POST", f"{_NET}/ports",
        {"port": {"network_id": "{bare}"}}),
    "a port with an address": Case(f"{_NET}/networks/{{vacant}}", "POST", f"{_NET}/ports",
        {"port": {"network_id": "{vacant}"}}),
    "a right to the network": Case(f"{_NET}/networks/{{bare}}", "POST", f"{_NET}/rbac-policies", {"rbac_policy":
        {"object_type": "network", "object_id": "{bare}", "action": "access_as_shared", "target_tenant": THEIRS}}),
    "the address scope for all": Case(f"{_NET}/address-scopes/{{scope}}", "PUT", f"{_NET}/address-scopes/{{scope}}",
        {"address_scope": {"shared": True}}),
    "an address of the subnet": Case(f"{_NET}/subnets/{{subnet}}", "PUT", f"{_NET}/ports/{{port}}",
        {"port": {"fixed_ips": [{"subnet_id": "{subnet}"}]}}),
    "a router's way into the subnet": Case(f"{_NET}/subnets/{{subnet}}", "PUT",
        f"{_NET}/routers/{{router}}/add_router_interface", {"subnet_id": "{subnet}"}),
    "a way into a subnet for the router": Case(f"{_NET}/routers/{{router}}", "PUT",
        f"{_NET}/routers/{{router}}/add_router_interface", {"subnet_id": "{subnet}"}),
    "a router's gateway": Case(f"{_NET}/networks/{{outside}}", "PUT", f"{_NET}/routers/{{router}}",
        {"router": {"external_gateway_info": {"network_id": "{outside}"}}}),
    "a floating address": Case(f"{_NET}/networks/{{outside}}", "POST", f"{_NET}/floatingips",
        {"floatingip": {"floating_network_id": "{outside}"}}),
    "a rule of the security group": Case(f"{_NET}/security-groups/{{group}}", "POST", f"{_NET}/security-group-rules",
        {"security_group_rule": {"security_group_id": "{group}", "direction": "ingress"}}),
    "a rule for the address group": Case(f"{_NET}/address-groups/{{addresses}}", "POST",
        f"{_NET}/security-group-rules", {"security_group_rule": _RULE}),
    "a port in the security group": Case(f"{_NET}/security-groups/{{group}}", "PUT", f"{_NET}/ports/{{port}}",
        {"port": {"security_groups": ["{group}"]}}),
    "a pool of the address scope": Case(f"{_NET}/address-scopes/{{scope}}", "POST", f"{_NET}/subnetpools",
        {"subnetpool": {"name": "b", "prefixes": ["10.8.0.0/16"], "address_scope_id": "{scope}"}}),
    "a subnet of the pool": Case(f"{_NET}/subnetpools/{{pool}}", "POST", f"{_NET}/subnets",
        {"subnet": {"network_id": "{bare}", "subnetpool_id": "{pool}", "prefixlen": 26, "ip_version": 4}}),
    "a member of the image": Case("/image/v2/images/{image}", "POST", "/image/v2/images/{image}/members",
        {"member": THEIRS}),
    "a tag of the image": Case("/image/v2/images/{image}", "PUT", "/image/v2/images/{image}/tags/a"),
    "an object of the namespace": Case(_SPACE, "POST", f"{_SPACE}/objects", {"name": "o", "properties": {}}),
    "a tag of the namespace": Case(_SPACE, "POST", f"{_SPACE}/tags/a"),
    "a provider below it": Case(_PROVIDER, "POST", "/placement/resource_providers",
        {"name": "b", "parent_provider_uuid": "{provider}"}),
    "an inventory of the provider": Case(_PROVIDER, "PUT", f"{_PROVIDER}/inventories",
        {**_GENERATION, "inventories": {"VCPU": {"total": 1}}}),
    "a trait of the provider": Case(_PROVIDER, "PUT", f"{_PROVIDER}/traits", {**_GENERATION, "traits": ["CUSTOM_A"]}),
    "the trait of a provider": Case("/placement/traits/CUSTOM_A", "PUT", f"{_PROVIDER}/traits",
        {**_GENERATION, "traits": ["CUSTOM_A"]}),
    "an inventory of the class": Case("/placement/resource_classes/CUSTOM_B", "PUT", f"{_PROVIDER}/inventories",
        {**_GENERATION, "inventories": {"CUSTOM_B": {"total": 1}}}),
    "an aggregate of the provider": Case(_PROVIDER, "PUT", f"{_PROVIDER}/aggregates",
        {**_GENERATION, "aggregates": ["{provider}"]}),
    "a word of the flavor": Case(_FLAVOR, "POST", f"{_FLAVOR}/os-extra_specs", {"extra_specs": {"a": "b"}}),
    "a rule of the security group, as nova said it": Case(f"{_NET}/security-groups/{{group}}", "POST",
        "/compute/v2.1/os-security-group-rules", {"security_group_rule": {"parent_group_id": "{group}",
        "ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "10.0.0.0/8"}}),
    "a tenant of the flavor": Case(_FLAVOR, "POST", f"{_FLAVOR}/action", {"addTenantAccess": {"tenant": THEIRS}}),
}  # fmt: skip


async def words_of(cloud: Cloud) -> dict[str, str]:
    admin = cloud.admin
    network, subnet = await admin.network()
    outside, _ = await admin.network("10.1.0.0/24", router__external=True)
    vacant, _ = await admin.network("10.2.0.0/24")
    words = {"network": network, "subnet": subnet, "outside": outside, "vacant": vacant}
    words["port"] = (await admin.make("port", network_id=network, fixed_ips=[]))["id"]
    words["bare"] = (await admin.make("network"))["id"]
    words["router"] = (await admin.make("router"))["id"]
    words["group"] = (await admin.make("security_group", name="g"))["id"]
    words["addresses"] = (await admin.make("address_group", name="a", addresses=[]))["id"]
    words["scope"] = (await admin.make("address_scope", name="s", ip_version=4))["id"]
    words["pool"] = (await admin.make("subnetpool", name="p", prefixes=["10.7.0.0/16"]))["id"]
    image = {"name": "one", "disk_format": "raw", "container_format": "bare", "visibility": "shared"}
    words["image"] = (await cloud.call("POST", "/image/v2/images", image)).ok("id")
    (await cloud.call("POST", "/image/v2/metadefs/namespaces", {"namespace": "space"})).ok()
    words["provider"] = (await cloud.call("POST", "/placement/resource_providers", {"name": "a"})).ok("uuid")
    (await cloud.call("PUT", "/placement/traits/CUSTOM_A")).ok()
    (await cloud.call("PUT", "/placement/resource_classes/CUSTOM_B")).ok()
    flavor = {"name": "f", "ram": 1, "vcpus": 1, "disk": 0, "os-flavor-access:is_public": False}
    words["flavor"] = (await cloud.call("POST", "/compute/v2.1/flavors", {"flavor": flavor})).ok("flavor")["id"]
    return words


_THINGS = " UNION ALL ".join(f"SELECT id FROM {table}" for table in TABLE_OF.values())
_NO_REFERENCE = (
    f"SELECT object_id FROM rbac_policies WHERE object_id NOT IN ({_THINGS})",
    "SELECT trait FROM provider_traits WHERE trait LIKE 'CUSTOM%' AND trait NOT IN (SELECT name FROM custom_traits)",
    "SELECT class FROM inventories WHERE class LIKE 'CUSTOM%' AND class NOT IN (SELECT name FROM custom_classes)",
)


async def check_nothing_refers_to_what_is_gone(cloud: Cloud) -> None:
    async with cloud.store.read() as tx:
        for sql in _NO_REFERENCE:
            assert not await tx.rows(sql), sql


@pytest.mark.parametrize("what", CASES)
@pytest.mark.parametrize("first", ["removed", "made"])
async def test_whoever_comes_second_is_told_why_in_our_words(two: tuple[Cloud, Cloud], what: str, first: str) -> None:
    case, words = CASES[what], await words_of(two[0])

    async def remove(cloud: Cloud) -> Answer:
        return await cloud.call("DELETE", filled(case.remove, words))

    async def make(cloud: Cloud) -> Answer:
        return await cloud.call(case.method, filled(case.path, words), filled(case.body, words))

    one, second = await (race(two, remove, make) if first == "removed" else race((two[1], two[0]), make, remove))
    assert one.status < 300, one.raw
    allowed = (400, 404, 409) if first == "removed" else (200, 201, 202, 204, 400, 404, 409)
    assert second.status in allowed, second.raw
    for word in (b"constraint", b"FOREIGN", b"look again", b"record.", b"at the same time"):
        assert word not in second.raw, second.raw
    await check_nothing_refers_to_what_is_gone(two[0])


async def test_what_stands_in_the_way_for_ever_is_a_conflict_without_the_databases_words(
    two: tuple[Cloud, Cloud],
) -> None:
    looks = []

    async def act(tx: Tx) -> None:
        looks.append(tx)
        await tx.run("INSERT INTO subnets SELECT * FROM subnets LIMIT 1")

    await words_of(two[0])
    with pytest.raises(InTheWay) as refused:
        await transact(two[0].store, act)
    assert "subnets" not in refused.value.message and refused.value.http_status == 409
    assert 1 < len(looks) < 10
