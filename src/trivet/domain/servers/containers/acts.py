"""Acts on containers: each is an act on the server, after a look at the container's state."""

from trivet.domain.images.images import Image
from trivet.domain.network.ports import ports
from trivet.domain.servers import acts as server_acts
from trivet.domain.servers import changes, images, plugs, rebuilding
from trivet.domain.servers.actions import Call
from trivet.domain.servers.acts import TASK_S, order
from trivet.domain.servers.containers import images as container_images
from trivet.domain.servers.containers import states
from trivet.domain.servers.containers.containers import CONTAINERS, status_of
from trivet.domain.servers.containers.create import NetWanted, cpus_of, nic, sized
from trivet.domain.servers.kinds import check_isolation
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import SERVERS, FlavorOf, Server
from trivet.errors import Conflict, Invalid
from trivet.store.tx import Tx

STOPS_IN_S = 10.0
"""Who does not say gives it so long."""
GRACE_MOST_S = 3600.0


async def start(tx: Tx, call: Call, server: Server) -> Server:
    states.check(server, "start")
    if server.status == "stopped":
        return await server_acts.start(tx, call, server.id)
    return await server_acts.reboot(tx, call, server.id, hard=True)


async def stop(tx: Tx, call: Call, server: Server, timeout_s: float | None) -> Server:
    states.check(server, "stop")
    return await server_acts.stop(tx, call, server.id, _grace(timeout_s))


async def reboot(tx: Tx, call: Call, server: Server, timeout_s: float | None) -> Server:
    states.check(server, "reboot")
    server = await ready(tx, call, server.id, "reboot SOFT", method="reboot")
    need_host(server, "reboot")
    check_isolation(server.kind, call.isolation)
    grace_s = _grace(timeout_s)
    return await order(
        tx,
        call,
        server,
        "reboot",
        "rebooting",
        in_s=TASK_S + grace_s,
        want="running",
        boots=server.boots + 1,
        grace_s=grace_s,
    )


def _grace(timeout_s: float | None) -> float:
    return STOPS_IN_S if timeout_s is None else min(timeout_s, GRACE_MOST_S)


async def pause(tx: Tx, call: Call, server: Server) -> Server:
    states.check(server, "pause")
    return await server_acts.pause(tx, call, server.id)


async def unpause(tx: Tx, call: Call, server: Server) -> Server:
    states.check(server, "unpause")
    return await server_acts.unpause(tx, call, server.id)


async def delete(tx: Tx, call: Call, server: Server, *, force: bool, stop: bool) -> None:
    states.check(server, "delete_after_stop" if stop else "delete_force" if force else "delete")
    running = status_of(server) == "Running"
    await server_acts.delete(tx, call, server.id)
    if stop and running and server.host_id is not None:
        server = await tx.need(SERVERS, server.id, "server")
        await tx.update(SERVERS, server, grace_s=STOPS_IN_S)


async def rebuild(tx: Tx, call: Call, server: Server, image: str | None, driver: str | None) -> Server:
    states.check(server, "rebuild")
    facts = await tx.get(CONTAINERS, server.id)
    image_id = server.image_id or ""
    if image is not None:
        image_id = (await container_images.find(tx, call.caller, image)).id
    server = await rebuilding.rebuild(tx, call, server.id, image_id, {}, volumes_too=False, keep_ephemeral=False)
    if facts is not None and (image is not None or driver is not None):
        await tx.update(CONTAINERS, facts, image=image or facts.image, image_driver=driver or facts.image_driver)
    return server


async def commit(tx: Tx, call: Call, server: Server, repository: str, tag: str | None) -> Image:
    states.check(server, "commit")
    name = repository if tag is None else f"{repository}:{tag}"
    return await images.create_image(tx, call, server.id, name, {})


async def rename(tx: Tx, call: Call, server: Server, name: str) -> Server:
    return await changes.update(tx, call, server.id, {"name": name})


async def resize(
    tx: Tx, call: Call, server: Server, cpus: float | None, memory_mib: int | None, *, action: str = "update"
) -> Server:
    states.check(server, action)

    def wanted(flavor: FlavorOf) -> FlavorOf:
        return sized(
            cpus_of(flavor) if cpus is None else cpus,
            flavor.ram_mib if memory_mib is None else memory_mib,
            flavor.disk_gib,
        )

    if server.flavor.extra_specs:
        raise Conflict(
            "container.flavor",
            "This container was given its size by a flavor; resize it as a server, to another flavor.",
        )
    return await changes.adjust(tx, call, server.id, wanted)


async def set_auto_heal(tx: Tx, server: Server, auto_heal: bool) -> None:
    facts = await tx.get(CONTAINERS, server.id)
    if facts is not None:
        await tx.update(CONTAINERS, facts, auto_heal=auto_heal)


# -- its network


async def attach_network(tx: Tx, call: Call, server: Server, wanted: NetWanted) -> None:
    found = await nic(tx, call.caller, wanted)
    here = await ports.of_server(tx, server.id, server.project_id)
    network_id = found.network_id
    if found.port_id is not None:
        port = await tx.get(ports.PORTS, found.port_id)
        network_id = port.network_id if port is not None and call.caller.may_see(port.project_id) else None
    if network_id in {port.network_id for port in here}:
        raise Invalid(
            "network.attached",
            f"Network '{network_id}' is already connected to container '{server.id}'.",
        )
    await plugs.attach(tx, call, server.id, found)


async def detach_network(tx: Tx, call: Call, server: Server, *, network_id: str | None, port_id: str | None) -> None:
    here = await ports.of_server(tx, server.id, server.project_id)
    found = [port for port in here if port_id == port.id or (network_id is not None and network_id == port.network_id)]
    if not found:
        what, which = ("Port", port_id) if port_id is not None else ("Network", network_id)
        raise Invalid("network.not_attached", f"{what} '{which}' is not attached to container '{server.id}'.")
    for port in found:
        await plugs.detach(tx, call, server.id, port.id)


async def add_group(tx: Tx, call: Call, server: Server, name: str) -> None:
    states.check(server, "add_security_group")
    await plugs.add_group(tx, call, server.id, name)


async def remove_group(tx: Tx, call: Call, server: Server, name: str) -> None:
    states.check(server, "remove_security_group")
    await plugs.remove_group(tx, call, server.id, name)
