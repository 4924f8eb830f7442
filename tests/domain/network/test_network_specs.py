"""Rows to specs, and the arithmetic of addresses: pure, so said by example."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivet.domain.network import addresses
from trivet.domain.network import specs as network_specs
from trivet.domain.network.addresses import FixedIp, Pool, network_of, parsed
from trivet.domain.network.nets import subnet_blocks
from trivet.domain.network.nets.networks import Network
from trivet.domain.network.nets.subnets import Subnet
from trivet.domain.network.ports.ports import Port
from trivet.domain.network.ports.words import AddressPair
from trivet.domain.network.routers.routers import Gateway, Router

NETWORK = Network(id="n", project_id="p", created_at=0.0, updated_at=0.0)
SUBNET = Subnet(
    id="s", project_id="p", network_id="n", cidr="10.0.0.0/24", gateway_ip="10.0.0.1", created_at=0.0, updated_at=0.0
)
PORT = Port(
    id="x", project_id="p", network_id="n", mac_address="fa:16:3e:00:00:01", fixed_ips=(FixedIp("s", "10.0.0.5"),),
    created_at=0.0, updated_at=0.0,
)  # fmt: skip


def test_a_flat_network_has_no_vlan_and_an_external_one_no_metadata() -> None:
    flat = msgspec.structs.replace(NETWORK, network_type="flat", physical_network="public", external=True)
    spec = network_specs.network_spec(flat, [SUBNET])
    assert (spec.physical, spec.vlan, spec.metadata) == ("public", None, False)
    vlan = msgspec.structs.replace(NETWORK, network_type="vlan", physical_network="public", segmentation_id=7)
    assert network_specs.network_spec(vlan, []).vlan == 7
    tunnel = msgspec.structs.replace(NETWORK, segmentation_id=7)
    assert network_specs.network_spec(tunnel, [SUBNET]).vlan is None


def test_an_allowed_pair_without_a_mac_means_the_ports_own() -> None:
    port = msgspec.structs.replace(PORT, allowed_address_pairs=(AddressPair("10.0.0.9"),))
    assert network_specs.port_spec(port).allowed_pairs == (("fa:16:3e:00:00:01", "10.0.0.9/32"),)


def test_a_routers_way_out_is_the_external_subnets_gateway() -> None:
    outside = msgspec.structs.replace(SUBNET, id="o", cidr="198.51.100.0/24", gateway_ip="198.51.100.1")
    gateway = msgspec.structs.replace(PORT, id="g", fixed_ips=(FixedIp("o", "198.51.100.7"),))
    router = Router(
        id="r", project_id="p", gateway=Gateway("n", "g", False, gateway.fixed_ips), created_at=0.0, updated_at=0.0
    )
    leg = msgspec.structs.replace(PORT, fixed_ips=(FixedIp("s", "10.0.0.1"),))
    spec = network_specs.router_spec(router, [leg], gateway, {"s": SUBNET, "o": outside}, [])
    assert spec.gateway_next_hop == "198.51.100.1"
    assert spec.gateway is not None
    assert spec.gateway.cidrs == ("198.51.100.7/24",)
    assert (spec.snat, spec.interfaces[0].cidrs) == (False, ("10.0.0.1/24",))


@pytest.mark.parametrize(
    ("cidr", "gateway", "pools"),
    [
        ("10.0.0.0/29", "10.0.0.1", [("10.0.0.2", "10.0.0.6")]),
        ("10.0.0.0/29", "10.0.0.6", [("10.0.0.1", "10.0.0.5")]),
        ("10.0.0.0/29", "10.0.0.3", [("10.0.0.1", "10.0.0.2"), ("10.0.0.4", "10.0.0.6")]),
        ("10.0.0.0/29", None, [("10.0.0.1", "10.0.0.6")]),
        ("10.0.0.0/31", "10.0.0.0", [("10.0.0.1", "10.0.0.1")]),
        ("10.0.0.0/32", None, [("10.0.0.0", "10.0.0.0")]),
        ("2001:db8::/126", "2001:db8::1", [("2001:db8::2", "2001:db8::3")]),
    ],
)
def test_default_pools_leave_out_what_no_host_may_have(
    cidr: str, gateway: str | None, pools: list[tuple[str, str]]
) -> None:
    found = subnet_blocks.default_pools(network_of(cidr), gateway)
    assert [(pool.start, pool.end) for pool in found] == pools


@settings(deadline=None, print_blob=True)
@given(st.integers(8, 30), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_default_pools_hold_every_host_but_the_gateway_once(prefixlen: int, base: int, pick: int) -> None:
    block = network_of(f"{parsed('0.0.0.0') + base}/{prefixlen}")
    gateway = str(block[1 + pick % (block.num_addresses - 2)])
    pools = subnet_blocks.default_pools(block, gateway)
    sizes = [int(parsed(pool.end)) - int(parsed(pool.start)) + 1 for pool in pools]
    assert sum(sizes) == block.num_addresses - 3
    assert not addresses.holds(pools, parsed(gateway))
    assert all(parsed(pool.start) in block and parsed(pool.end) in block for pool in pools)


def test_the_interface_identifier_of_a_mac_flips_its_universal_bit() -> None:
    assert addresses.eui64("2001:db8::/64", "fa:16:3e:12:34:56") == "2001:db8::f816:3eff:fe12:3456"


def test_a_pool_knows_what_is_in_it() -> None:
    pools = (Pool("10.0.0.5", "10.0.0.9"),)
    assert addresses.holds(pools, parsed("10.0.0.9"))
    assert not addresses.holds(pools, parsed("10.0.0.10"))
    assert not addresses.holds(pools, parsed("::a00:6"))
