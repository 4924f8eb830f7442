"""Routers, their interfaces and gateways, and the floating IPs that lead through them."""

from tests.api.network.network_cloud import Client, Cloud


async def plug(client: Client, router: str, *, verb: str = "add", **words: str) -> dict[str, object]:
    answer = await client.call("PUT", f"/v2.0/routers/{router}/{verb}_router_interface", words)
    found: dict[str, object] = answer.ok()
    return found


async def outside(here: Cloud) -> str:
    network, _ = await here.admin.network("198.51.100.0/24", router__external=True)
    return network


async def routed(here: Cloud, network: str) -> tuple[str, str, str]:
    """(router with a gateway, network, subnet) of mine."""
    router = await here.mine.make("router", external_gateway_info={"network_id": network})
    inside, subnet = await here.mine.network()
    await plug(here.mine, router["id"], subnet_id=subnet)
    return router["id"], inside, subnet


async def test_an_interface_is_the_subnets_gateway_and_a_port_of_the_router(here: Cloud) -> None:
    router = (await here.mine.make("router"))["id"]
    network, subnet = await here.mine.network()
    done = await plug(here.mine, router, subnet_id=subnet)
    port = (await here.mine.get(f"ports/{done['port_id']}"))["port"]
    assert port["device_owner"] == "network:router_interface"
    assert port["fixed_ips"] == [{"subnet_id": subnet, "ip_address": "10.0.0.1"}]
    (await here.mine.call("DELETE", f"/v2.0/ports/{port['id']}")).refused(409, "ServicePortInUse")
    (await here.mine.call("DELETE", f"/v2.0/routers/{router}")).refused(409, "RouterInUse")
    await plug(here.mine, router, verb="remove", subnet_id=subnet)
    assert (await here.mine.get(f"ports?network_id={network}"))["ports"] == []
    await here.mine.drop(f"routers/{router}")


async def test_two_interfaces_with_one_block_are_refused(here: Cloud) -> None:
    router = (await here.mine.make("router"))["id"]
    _, one = await here.mine.network("10.0.0.0/24")
    _, two = await here.mine.network("10.0.0.0/25")
    await plug(here.mine, router, subnet_id=one)
    path = f"/v2.0/routers/{router}/add_router_interface"
    (await here.mine.call("PUT", path, {"subnet_id": two})).refused(400, "BadRequest")
    (await here.mine.call("PUT", path, {"subnet_id": one})).refused(400, "BadRequest")
    (await here.mine.call("PUT", path, {})).refused(400, "BadRequest")


async def test_a_gateway_needs_an_external_network_and_goes_with_the_router(here: Cloud) -> None:
    inside, _ = await here.mine.network()
    body = {"router": {"external_gateway_info": {"network_id": inside}}}
    (await here.mine.call("POST", "/v2.0/routers", body)).refused(400, "BadRequest")
    network = await outside(here)
    router = await here.mine.make("router", external_gateway_info={"network_id": network})
    (address,) = router["external_gateway_info"]["external_fixed_ips"]
    assert address["ip_address"] == "198.51.100.2"
    # The gateway's port belongs to no tenant.
    assert (await here.mine.get("ports"))["ports"] == []
    (await here.admin.call("DELETE", f"/v2.0/networks/{network}")).refused(409, "NetworkInUse")
    await here.mine.drop(f"routers/{router['id']}")
    await here.admin.drop(f"networks/{network}")


async def test_a_floating_ip_leads_to_a_port_behind_a_router(here: Cloud) -> None:
    network = await outside(here)
    router, inside, subnet = await routed(here, network)
    port = await here.mine.make("port", network_id=inside, name="web")
    floating = await here.mine.make("floatingip", floating_network_id=network, port_id=port["id"])
    assert floating["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    assert (floating["router_id"], floating["port_details"]["name"]) == (router, "web")
    again = {"floatingip": {"floating_network_id": network, "port_id": port["id"]}}
    (await here.mine.call("POST", "/v2.0/floatingips", again)).refused(409, "FloatingIPPortAlreadyAssociated")
    path = f"/v2.0/routers/{router}"
    gone: dict[str, object] = {"router": {"external_gateway_info": {}}}
    (await here.mine.call("PUT", path, gone)).refused(409, "RouterExternalGatewayInUseByFloatingIp")
    leg = await here.mine.call("PUT", f"{path}/remove_router_interface", {"subnet_id": subnet})
    leg.refused(409, "RouterInterfaceInUseByFloatingIP")
    await here.mine.drop(f"ports/{port['id']}")
    loose = (await here.mine.get(f"floatingips/{floating['id']}"))["floatingip"]
    assert (loose["port_id"], loose["router_id"], loose["status"]) == (None, None, "DOWN")
    await here.mine.drop(f"floatingips/{floating['id']}")


async def test_a_floating_ip_to_a_port_that_no_router_reaches_is_refused(here: Cloud) -> None:
    network = await outside(here)
    inside, _ = await here.mine.network()
    port = await here.mine.make("port", network_id=inside)
    body = {"floatingip": {"floating_network_id": network, "port_id": port["id"]}}
    refused = await here.mine.call("POST", "/v2.0/floatingips", body)
    refused.refused(404, "ExternalGatewayForFloatingIPNotFound")
    inner = {"floatingip": {"floating_network_id": inside}}
    (await here.mine.call("POST", "/v2.0/floatingips", inner)).refused(400, "BadRequest")


async def test_a_floating_ip_moves_and_comes_off(here: Cloud) -> None:
    network = await outside(here)
    _, inside, _ = await routed(here, network)
    floating = await here.mine.make("floatingip", floating_network_id=network)
    one, two = [await here.mine.make("port", network_id=inside) for _ in range(2)]
    for port in (one, two):
        moved = await here.mine.change("floatingip", floating["id"], port_id=port["id"])
        assert moved["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    described = await here.mine.change("floatingip", floating["id"], description="kept")
    assert described["port_id"] == two["id"]
    assert (await here.mine.change("floatingip", floating["id"], port_id=None))["port_id"] is None


async def test_routes_need_a_next_hop_that_the_router_reaches(here: Cloud) -> None:
    router = (await here.mine.make("router"))["id"]
    _, subnet = await here.mine.network()
    await plug(here.mine, router, subnet_id=subnet)
    far = [{"destination": "10.9.0.0/24", "nexthop": "10.7.0.1"}]
    (await here.mine.call("PUT", f"/v2.0/routers/{router}", {"router": {"routes": far}})).refused(400, "InvalidRoutes")
    near = [{"destination": "10.9.0.0/24", "nexthop": "10.0.0.9"}]
    assert (await here.mine.change("router", router, routes=near))["routes"] == near
    leg = await here.mine.call("PUT", f"/v2.0/routers/{router}/remove_router_interface", {"subnet_id": subnet})
    leg.refused(409, "RouterInterfaceInUseByRoute")
    more = {"router": {"routes": [{"destination": "10.8.0.0/24", "nexthop": "10.0.0.9"}]}}
    added = (await here.mine.call("PUT", f"/v2.0/routers/{router}/add_extraroutes", more)).ok("router")
    assert len(added["routes"]) == 2
    left = (await here.mine.call("PUT", f"/v2.0/routers/{router}/remove_extraroutes", more)).ok("router")
    assert left["routes"] == near


async def test_one_request_makes_network_subnet_and_router_for_who_wants_no_more(here: Cloud) -> None:
    await here.admin.network("198.51.100.0/24", router__external=True, is_default=True)
    missing = await here.mine.call("GET", "/v2.0/auto-allocated-topology/None")
    missing.refused(409, "AutoAllocationFailure")
    await here.admin.make(
        "subnetpool", name="d", prefixes=["10.64.0.0/16"], default_prefixlen=24, is_default=True, shared=True
    )
    one = (await here.mine.get("auto-allocated-topology/None"))["auto_allocated_topology"]
    two = (await here.mine.get("auto-allocated-topology/None"))["auto_allocated_topology"]
    assert one == two
    assert len((await here.mine.get("subnets"))["subnets"]) == 1
    await here.mine.drop("auto-allocated-topology/None")
    assert (await here.mine.get("networks?shared=false&router:external=false"))["networks"] == []
