"""Cards: a port of a physical machine is one of the machine's own network cards, and has its MAC.

What a switch calls the port's network, a VLAN of the physical network that the card is cabled to, is claimed for the
network when the first machine comes onto it, and stays its own until it is deleted.
"""

from trivet.domain.hosts import cards
from trivet.domain.hosts.cards import Card
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.ports import Port
from trivet.domain.servers.servers import Server
from trivet.store.tx import Tx


async def bind(tx: Tx, server: Server, port: Port, *, host_id: str | None, zone: str) -> Port:
    """Plug it into the server, on a host; of a physical machine, into one of its cards."""
    card = await _free_card(tx, server, port, host_id) if server.kind == "metal" and host_id is not None else None
    if card is not None:
        network = await tx.need(NETWORKS, port.network_id, "network")
        await networks.segment_on(tx, network, card.fabric, card.first_vlan, card.last_vlan)
    return await ports.bind(
        tx, port, server_id=server.id, host_id=host_id, zone=zone, card=card.mac if card is not None else None
    )


async def _free_card(tx: Tx, server: Server, port: Port, host_id: str) -> Card | None:
    """The first one that no other port of the server has. None: its host says so when it comes to that."""
    others = await ports.of_server(tx, server.id, server.project_id)
    taken = {other.mac_address for other in others if other.id != port.id}
    return next((card for card in await cards.of_host(tx, host_id) if card.mac not in taken), None)
