"""/v2.0/agents: one for each host, derived from it; nothing here is kept but what an operator says about it."""

from msgspec import structs

from trivet.api.kit import lists
from trivet.api.kit.lists import Narrow
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import bodies, collections
from trivet.api.network.bodies import Json
from trivet.clock import iso
from trivet.domain.hosts import hosts, zones
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.network import agents as network_agents
from trivet.domain.network.agents import AgentChange, Said
from trivet.errors import Conflict, NotFound
from trivet.store import lists as store_lists
from trivet.store.where import Where

resource = Resource()

_TYPE = "OVN Controller agent"
_BINARY = "ovn-controller"
_TOPIC = "n/a"
_SORTING = structs.replace(collections.SORTING, first="host")


def _view(host: Host, said: Said) -> Json:
    return {
        "id": host.id,
        "agent_type": _TYPE,
        "binary": _BINARY,
        "topic": _TOPIC,
        "host": host.name,
        "admin_state_up": said.admin_state_up,
        "alive": hosts.is_up(host),
        "availability_zone": zones.of_host(host),
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


async def _one(request: Request) -> Json:
    host = await request.tx.get(HOSTS, request.values["agent_id"])
    if host is None:
        raise NotFound("agent.absent", f"Agent {request.values['agent_id'][:64]} could not be found")
    return _view(host, (await network_agents.said_of(request.tx, [host.id])).get(host.id, network_agents.NOTHING))


def _always(value: str) -> Narrow:
    """Of what is the same for all of them: they are found by that, and by nothing else."""

    def by(request: Request, where: Where, values: list[str]) -> None:
        if value not in values:
            where.any_of("id", [])

    return by


def _by_zone(request: Request, where: Where, values: list[str]) -> None:
    where.any_of(f"COALESCE(zone, '{zones.DEFAULT_ZONE}')", values)


def _by_life(request: Request, where: Where, values: list[str]) -> None:
    where.any_of("CASE WHEN forced_down = 0 AND silent = 0 THEN 1 ELSE 0 END", [collections.flag(v) for v in values])


def _by_state(request: Request, where: Where, values: list[str]) -> None:
    network_agents.switched(where, [bool(collections.flag(value)) for value in values])


_COLUMNS = {"id": "id", "host": "name", "created_at": "created_at", "started_at": "created_at"}
_FILTERS: dict[str, Narrow] = {
    "id": lists.equal("id"),
    "host": lists.equal("name"),
    "agent_type": _always(_TYPE),
    "binary": _always(_BINARY),
    "topic": _always(_TOPIC),
    "availability_zone": _by_zone,
    "alive": _by_life,
    "admin_state_up": _by_state,
}


@resource.on("GET", "/v2.0/agents", may="reader")
async def index(request: Request) -> Reply:
    """A list shows what its caller may see; of agents, that is nothing or everything."""
    seen = Where() if request.caller.may_see(None) else Where().any_of("id", [])
    where = lists.narrow(
        request, seen.copy(), _FILTERS.get, aside=collections.PAGING, unknown=collections.unknown_filter
    )
    asked = lists.asked(request, collections.SPELLING, lists.sort_of(request, _SORTING, _COLUMNS))
    found = await store_lists.page(request.tx, HOSTS, where, asked, seen=seen)
    said = await network_agents.said_of(request.tx, [host.id for host in found])
    fields = lists.fields_of(request)
    shown = [_view(host, said.get(host.id, network_agents.NOTHING)) for host in found]
    return Reply(200, {"agents": [lists.cut(agent, fields) for agent in shown]})


@resource.on("GET", "/v2.0/agents/{agent_id}", may="operator")
async def show(request: Request) -> Reply:
    return Reply(200, {"agent": lists.cut(await _one(request), lists.fields_of(request))})


@resource.on("PUT", "/v2.0/agents/{agent_id}", may="admin")
async def update(request: Request) -> Reply:
    agent = await _one(request)
    await network_agents.say(request.tx, agent["id"], bodies.one(request, AgentChange, "agent"))
    return Reply(200, {"agent": await _one(request)})


@resource.on("DELETE", "/v2.0/agents/{agent_id}", may="admin")
async def delete(request: Request) -> Reply:
    agent = await _one(request)
    raise Conflict("agent.derived", f"Agent {agent['id']} is there as long as its host {agent['host']} is.")
