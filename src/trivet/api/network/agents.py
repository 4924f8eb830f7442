"""/v2.0/agents: one for each host, derived from it; nothing here is kept but what an operator says about it."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import bodies, listing
from trivet.api.network.listing import Json
from trivet.clock import iso
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.network import agents as network_agents
from trivet.domain.network.agents import AgentChange, Said
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tx import Tx

resource = Resource()

_TYPE = "OVN Controller agent"
_BINARY = "ovn-controller"


def _view(host: Host, said: Said) -> Json:
    return {
        "id": host.id,
        "agent_type": _TYPE,
        "binary": _BINARY,
        "topic": "n/a",
        "host": host.name,
        "admin_state_up": said.admin_state_up,
        "alive": hosts.is_up(host),
        "availability_zone": host.zone or DEFAULT_ZONE,
        "configurations": {"bridge-mappings": {"public": "br-ex"}},
        "description": said.description,
        "created_at": _spaced(host.created_at),
        "started_at": _spaced(host.created_at),
        "heartbeat_timestamp": _spaced(host.agent_seen_at),
        "resources_synced": None,
    }


def _spaced(at: float) -> str:
    """2026-01-31 12:00:00, as this one resource spells it."""
    return (iso(at) or "").replace("T", " ").rstrip("Z")


async def _all(tx: Tx) -> list[Json]:
    said = await network_agents.all_said(tx)
    found = await tx.select(HOSTS, order="name, id")
    return [_view(host, said.get(host.id, network_agents.NOTHING)) for host in found]


async def _one(request: Request) -> Json:
    for agent in await _all(request.tx):
        if agent["id"] == request.values["agent_id"]:
            return agent
    raise NotFound("agent.absent", f"Agent {request.values['agent_id'][:64]} could not be found")


@resource.on("GET", "/v2.0/agents", may="reader")
async def index(request: Request) -> Reply:
    """A list shows what its caller may see; of agents, that is nothing or everything."""
    found = await _all(request.tx) if request.caller.may_see(None) else []
    for name, value in request.query:
        if name == "fields":
            continue
        if name not in ("id", "agent_type", "binary", "topic", "host", "admin_state_up", "alive", "availability_zone"):
            raise Invalid("filter.invalid", f"[{name!r}] is invalid attribute for filtering")
        wanted: object = bool(listing.flag(value)) if name in ("admin_state_up", "alive") else value
        found = [agent for agent in found if agent[name] == wanted]
    fields = listing.fields_of(request)
    return Reply(200, {"agents": [listing.cut(agent, fields) for agent in found]})


@resource.on("GET", "/v2.0/agents/{agent_id}", may="operator")
async def show(request: Request) -> Reply:
    return Reply(200, {"agent": listing.cut(await _one(request), listing.fields_of(request))})


@resource.on("PUT", "/v2.0/agents/{agent_id}", may="admin")
async def update(request: Request) -> Reply:
    agent = await _one(request)
    await network_agents.say(request.tx, agent["id"], bodies.one(request, AgentChange, "agent"))
    return Reply(200, {"agent": await _one(request)})


@resource.on("DELETE", "/v2.0/agents/{agent_id}", may="admin")
async def delete(request: Request) -> Reply:
    agent = await _one(request)
    raise Conflict("agent.derived", f"Agent {agent['id']} is there as long as its host {agent['host']} is.")
