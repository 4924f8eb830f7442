"""Port changes: what a port that is there becomes."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from trivet.domain.callers import Caller
from trivet.domain.network import addresses, rbac_policies
from trivet.domain.network.addresses import FixedIp
from trivet.domain.network.groups import security_groups
from trivet.domain.network.nets import networks, subnets
from trivet.domain.network.nets.networks import Network
from trivet.domain.network.ports import devices
from trivet.domain.network.ports import words as port_words
from trivet.domain.network.ports.addresses import FixedIpAsked, Seeker
from trivet.domain.network.ports.ports import PORTS, Port, join, loosen_floating_ips
from trivet.domain.network.ports.wishes import PortUpdate, may_say
from trivet.errors import Conflict
from trivet.store.tx import Tx

_AS_SAID = (
    "name",
    "description",
    "admin_state_up",
    "device_id",
    "device_owner",
    "port_security_enabled",
    "vnic_type",
    "dns_name",
    "dns_domain",
    "propagate_uplink_status",
    "trusted",
)
"""Fields that are taken over as they come."""


async def update(tx: Tx, caller: Caller, port: Port, wanted: PortUpdate) -> Port:
    network = await tx.need(networks.NETWORKS, port.network_id, "network")
    # Whoever has the network sees its ports and may delete them; what they are is for their own project to say.
    rbac_policies.must_own(caller, port.project_id, "update_port")
    may_say(caller, network, wanted, has=[ip.ip_address for ip in port.fixed_ips])
    await devices.may_say(tx, caller, port.project_id, wanted, old_id=port.device_id, old_owner=port.device_owner)
    changes: dict[str, Any] = {name: said for name in _AS_SAID if (said := getattr(wanted, name)) is not UNSET}
    secure: bool = changes.get("port_security_enabled", port.port_security_enabled)
    owner: str = changes.get("device_owner", port.device_owner)
    if wanted.binding_profile is not UNSET:
        changes["binding_profile"] = wanted.binding_profile or {}
    if wanted.host_id is not UNSET:
        changes["host_id"] = wanted.host_id or None
    if wanted.extra_dhcp_opts is not UNSET:
        changes["extra_dhcp_opts"] = port_words.merged_options(
            port.extra_dhcp_opts, port_words.dhcp_options(wanted.extra_dhcp_opts or ())
        )
    if wanted.security_groups is not UNSET:
        groups = port_words.once(wanted.security_groups or ())
        await _change_groups(tx, caller, port, groups)
        changes["security_groups"] = groups
    mac = port.mac_address
    if wanted.mac_address is not UNSET and wanted.mac_address != port.mac_address:
        if port.host_id:
            raise Conflict("port.bound", f"Unable to complete operation on port {port.id}, port is already bound.")
        changes["mac_address"] = mac = await port_words.mac(tx, port.network_id, wanted.mac_address)
    if wanted.allowed_address_pairs is not UNSET:
        changes["allowed_address_pairs"] = port_words.with_mac(
            port_words.pairs(wanted.allowed_address_pairs or (), secure=secure), mac
        )
    _consistent(secure, changes.get("security_groups", port.security_groups), changes, port)
    if wanted.fixed_ips is not UNSET or ("mac_address" in changes and port.fixed_ips):
        asked = wanted.fixed_ips if wanted.fixed_ips is not UNSET else None
        changes["fixed_ips"] = await _move(tx, network, port, asked=asked, mac=mac, owner=owner)
    return await tx.update(PORTS, port, updated_at=tx.clock.now(), **changes)


async def _change_groups(tx: Tx, caller: Caller, port: Port, groups: tuple[str, ...]) -> None:
    await security_groups.for_port(tx, caller, groups)
    await tx.run("DELETE FROM port_security_groups WHERE port_id = ?", port.id)
    await join(tx, port.id, groups)


def _consistent(secure: bool, groups: Sequence[str], changes: dict[str, Any], port: Port) -> None:
    if secure:
        return
    if groups:
        raise Conflict(
            "port.security_needed",
            "Port has security group associated. Cannot disable port security or ip address until security"
            " group is removed."
            if port.security_groups
            else "Port security must be enabled and port must have an IP address in order to use security groups.",
        )
    if changes.get("allowed_address_pairs", port.allowed_address_pairs):
        raise Conflict("port.pairs_insecure", "Port Security must be enabled in order to have allowed address pairs.")


async def _move(
    tx: Tx, network: Network, port: Port, *, asked: Sequence[FixedIpAsked] | None, mac: str, owner: str
) -> tuple[FixedIp, ...]:
    on = await subnets.of_network(tx, network.id)
    self_addressed = {subnet.id for subnet in on if subnet.self_addressed}
    if mac != port.mac_address:
        kept = tuple(ip for ip in port.fixed_ips if ip.subnet_id not in self_addressed)
    else:
        kept = port.fixed_ips
    wishes = asked if asked is not None else [FixedIpAsked(ip.subnet_id) for ip in port.fixed_ips]
    seeker = Seeker(tx, network, on, port_id=port.id, mac=mac, owner=owner)
    found = await seeker.asked(wishes, kept) if kept or wishes else ()
    await addresses.free(tx, port.id, [ip for ip in port.fixed_ips if ip not in found])
    gone = {ip.ip_address for ip in port.fixed_ips} - {ip.ip_address for ip in found}
    if gone:
        await loosen_floating_ips(tx, port.id, gone)
    return found
