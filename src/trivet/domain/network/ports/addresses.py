"""Port addresses: which IPs a port gets, from what was asked and which subnets its network has.

Asked for nothing, a port gets one IPv4 address, one IPv6 address, and one from every subnet whose hosts
address themselves. Pools are taken hold of in one order everywhere (`hold`), before any address that is asked for by
name, so two ports never wait for each other crosswise.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from trivet.domain.network import addresses
from trivet.domain.network.addresses import FixedIp, network_of, parsed
from trivet.domain.network.nets.networks import Network
from trivet.domain.network.nets.subnets import Subnet
from trivet.domain.network.words import Id
from trivet.errors import Conflict, Invalid
from trivet.store.tx import Tx


class FixedIpAsked(Struct, frozen=True, forbid_unknown_fields=True):
    subnet_id: Id | None = None
    ip_address: str | None = None


async def hold(tx: Tx, subnets: Iterable[Subnet]) -> None:
    """For who wants several addresses, so that nobody can come in between. One port that takes what it gets meets the
    pools of its network in the same order."""
    for subnet in sorted(subnets, key=_place):
        if not subnet.self_addressed:
            await addresses.hold_pools(tx, subnet.id, subnet.allocation_pools)


def _place(subnet: Subnet) -> tuple[str, int, float, str]:
    return subnet.network_id, subnet.ip_version, subnet.created_at, subnet.id


def is_router(device_owner: str) -> bool:
    return device_owner.startswith("network:router")


class Seeker:
    """One port looking for addresses."""

    def __init__(
        self, tx: Tx, network: Network, subnets: Sequence[Subnet], *, port_id: str, mac: str, owner: str
    ) -> None:
        self._tx = tx
        self._network = network
        self._subnets = subnets
        self._port_id = port_id
        self._mac = mac
        self._owner = owner

    async def any(self) -> tuple[FixedIp, ...]:
        found: list[FixedIp] = []
        usable = [s for s in self._subnets if not s.service_types or self._owner in s.service_types]
        usable.sort(key=lambda subnet: not subnet.service_types)
        if self._subnets and not usable:
            raise Conflict(
                "address.none_for_service",
                f"No more IP addresses available for device owner '{self._owner}' on network {self._network.id}.",
            )
        for version in (4, 6):
            given = [s for s in usable if s.ip_version == version and not s.self_addressed]
            if given:
                found.append(await self._first_free(given))
        found.extend(await self._self_addressed(found))
        return tuple(found)

    async def asked(self, wanted: Sequence[FixedIpAsked], kept: Sequence[FixedIp] = ()) -> tuple[FixedIp, ...]:
        """`kept` are the port's own already; a wish that one of them meets is met."""
        left = list(kept)
        found: list[FixedIp] = []
        open_wishes: list[FixedIpAsked] = []
        for wish in wanted:
            match = _match(wish, left)
            if match is not None:
                left.remove(match)
                found.append(match)
            else:
                open_wishes.append(wish)
        chosen = [(self._subnet_for(wish), wish) for wish in open_wishes]
        if len(chosen) > 1:
            await hold(self._tx, {subnet.id: subnet for subnet, _ in chosen}.values())
        chosen.sort(key=lambda pair: (pair[1].ip_address is None, _place(pair[0]), pair[1].ip_address or ""))
        for subnet, wish in chosen:
            found.append(await self._one(subnet, wish))
        if wanted and not kept:
            found.extend(await self._self_addressed(found))
        return tuple(found)

    async def _first_free(self, subnets: Sequence[Subnet]) -> FixedIp:
        for subnet in subnets:
            pools = subnet.allocation_pools
            ip = await addresses.claim_any(self._tx, subnet.id, self._network.id, self._port_id, pools)
            if ip is not None:
                return FixedIp(subnet.id, ip)
        raise Conflict("address.exhausted", f"No more IP addresses available on network {self._network.id}.")

    async def _self_addressed(self, found: Sequence[FixedIp]) -> list[FixedIp]:
        if is_router(self._owner):
            return []
        present = {ip.subnet_id for ip in found}
        return [await self._own(s) for s in self._subnets if s.self_addressed and s.id not in present]

    async def _own(self, subnet: Subnet) -> FixedIp:
        return await self._exactly(subnet, addresses.eui64(subnet.cidr, self._mac))

    async def _exactly(self, subnet: Subnet, ip: str) -> FixedIp:
        if not await addresses.claim(self._tx, subnet.id, self._network.id, self._port_id, ip):
            raise Conflict("address.in_use", f"IP address {ip} already allocated in subnet {subnet.id}")
        return FixedIp(subnet.id, ip)

    async def _one(self, subnet: Subnet, wish: FixedIpAsked) -> FixedIp:
        if wish.ip_address is None:
            if subnet.self_addressed and not is_router(self._owner):
                return await self._own(subnet)
            if subnet.self_addressed:
                return await self._first_of_self_addressed(subnet)
            return await self._first_free([subnet])
        ip = parsed(wish.ip_address)
        if subnet.self_addressed and not is_router(self._owner) and str(ip) != addresses.eui64(subnet.cidr, self._mac):
            raise Invalid(
                "address.self_addressed",
                f"IPv6 address {ip} cannot be directly assigned to a port on subnet {subnet.id}"
                " as the subnet is configured for automatic addresses",
            )
        return await self._exactly(subnet, str(ip))

    async def _first_of_self_addressed(self, subnet: Subnet) -> FixedIp:
        """A router's address where hosts address themselves: the first of the block that is free."""
        block = network_of(subnet.cidr)
        for offset in range(1, 256):
            ip = str(block.network_address + offset)
            if await addresses.claim(self._tx, subnet.id, self._network.id, self._port_id, ip):
                return FixedIp(subnet.id, ip)
        raise Conflict("address.exhausted", f"No more IP addresses available on network {self._network.id}.")

    def _subnet_for(self, wish: FixedIpAsked) -> Subnet:
        ip = parsed(wish.ip_address) if wish.ip_address else None
        if wish.subnet_id:
            subnet = next((subnet for subnet in self._subnets if subnet.id == wish.subnet_id), None)
            if subnet is None:
                raise Invalid(
                    "address.subnet_elsewhere",
                    f"Invalid input for operation: Failed to create port on network {self._network.id}, because"
                    f" fixed_ips included invalid subnet {wish.subnet_id}.",
                )
            if ip is not None and not _fits(subnet, ip):
                raise Invalid("address.wrong_subnet", f"IP address {ip} is not a valid IP for the specified subnet.")
            return subnet
        if ip is None:
            raise Invalid(
                "address.unsaid", "Invalid input for operation: IP allocation requires subnet_id or ip_address."
            )
        for subnet in self._subnets:
            if _fits(subnet, ip):
                return subnet
        raise Invalid(
            "address.wrong_network",
            f"IP address {ip} is not a valid IP for any of the subnets on the specified network.",
        )


def _fits(subnet: Subnet, ip: addresses.Address) -> bool:
    block = network_of(subnet.cidr)
    if ip.version != block.version or ip not in block:
        return False
    return not (block.version == 4 and block.prefixlen < 31 and ip in (block[0], block[-1]))


def _match(wish: FixedIpAsked, left: Sequence[FixedIp]) -> FixedIp | None:
    wanted_ip = str(parsed(wish.ip_address)) if wish.ip_address else None
    for ip in left:
        if wish.subnet_id and wish.subnet_id != ip.subnet_id:
            continue
        if wanted_ip is not None and wanted_ip != ip.ip_address:
            continue
        return ip
    return None
