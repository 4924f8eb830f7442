"""Port wishes: what may be said of a port, and who may say it."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.network import rbac_policies
from trivet.domain.network.groups import security_groups
from trivet.domain.network.nets.networks import Network
from trivet.domain.network.ports import words as port_words
from trivet.domain.network.ports.addresses import FixedIpAsked
from trivet.domain.network.ports.words import AddressPair, DhcpOption
from trivet.domain.network.words import Id, Text
from trivet.errors import Conflict
from trivet.store.tx import Tx

FixedIps = Annotated[tuple[FixedIpAsked, ...], Meta(max_length=20)]
"""What one port may have; each is a row."""
VnicType = Literal[
    "normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic", "vdpa",
    "accelerator-direct", "accelerator-direct-physical", "remote-managed",
]  # fmt: skip


class PortCreate(Struct, frozen=True, kw_only=True):
    project_id: Text | UnsetType = UNSET
    network_id: Id
    name: Text = ""
    description: Text = ""
    mac_address: Text | UnsetType | None = UNSET
    admin_state_up: bool = True
    device_id: Text = ""
    device_owner: Text = ""
    fixed_ips: FixedIps | UnsetType | None = UNSET
    security_groups: tuple[Id, ...] | UnsetType | None = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: tuple[AddressPair, ...] | None = ()
    extra_dhcp_opts: tuple[DhcpOption, ...] | None = ()
    host_id: Text | UnsetType | None = UNSET
    vnic_type: VnicType = "normal"
    binding_profile: dict[Text, Any] | UnsetType | None = UNSET
    dns_name: Text = ""
    dns_domain: Text = ""
    propagate_uplink_status: bool = True
    trusted: bool | UnsetType | None = UNSET
    tags: tuple[Text, ...] = ()


class PortUpdate(Struct, frozen=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    mac_address: Text | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType = UNSET
    device_id: Text | UnsetType = UNSET
    device_owner: Text | UnsetType = UNSET
    fixed_ips: FixedIps | UnsetType | None = UNSET
    security_groups: tuple[Id, ...] | UnsetType | None = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: tuple[AddressPair, ...] | UnsetType | None = UNSET
    extra_dhcp_opts: tuple[DhcpOption, ...] | UnsetType | None = UNSET
    host_id: Text | UnsetType | None = UNSET
    vnic_type: VnicType | UnsetType = UNSET
    binding_profile: dict[Text, Any] | UnsetType | None = UNSET
    dns_name: Text | UnsetType = UNSET
    dns_domain: Text | UnsetType = UNSET
    propagate_uplink_status: bool | UnsetType = UNSET
    trusted: bool | UnsetType | None = UNSET


def may_say(caller: Caller, network: Network, wanted: PortCreate | PortUpdate, *, has: Collection[str] = ()) -> None:
    """On somebody else's network, its owner decides about addresses and security. `has` are the addresses of a port
    that is there, which it may keep."""
    act = "create_port" if isinstance(wanted, PortCreate) else "update_port"
    rbac_policies.operator_only(caller, f"{act}:binding:host_id", wanted.host_id or UNSET)
    rbac_policies.operator_only(caller, f"{act}:binding:profile", wanted.binding_profile or UNSET)
    rbac_policies.operator_only(caller, f"{act}:trusted", wanted.trusted)
    if isinstance(wanted, PortUpdate):
        rbac_policies.operator_only(caller, f"{act}:mac_address", wanted.mac_address)
    if caller.owns(network.project_id) or caller.is_operator:
        return
    for name in ("mac_address", "port_security_enabled"):
        rbac_policies.operator_only(caller, f"{act}:{name}", getattr(wanted, name))
    rbac_policies.operator_only(caller, f"{act}:allowed_address_pairs", wanted.allowed_address_pairs or UNSET)
    for asked in wanted.fixed_ips or () if wanted.fixed_ips is not UNSET else ():
        if asked.ip_address not in has:
            rbac_policies.operator_only(caller, f"{act}:fixed_ips:ip_address", asked.ip_address or UNSET)


async def groups(
    tx: Tx,
    caller: Caller,
    project_id: str,
    asked: tuple[str, ...] | UnsetType | None,
    device_owner: str,
    *,
    secure: bool,
) -> tuple[str, ...]:
    if asked is UNSET or asked is None:
        if not secure or device_owner.startswith("network:") or not project_id:
            return ()
        return (await security_groups.default_id(tx, project_id),)
    groups = port_words.once(asked)
    if groups and not secure:
        raise Conflict(
            "port.security_needed",
            "Port security must be enabled and port must have an IP address in order to use security groups.",
        )
    await security_groups.for_port(tx, caller, groups)
    return groups
