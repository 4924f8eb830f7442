"""trivet agent: a host's half, without the database: it talks to the API with the host's own credential."""

import argparse
import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from trivet.errors import Invalid

if TYPE_CHECKING:
    from trivet.hosting.world import World


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "agent",
        help="look after a host whose API runs elsewhere",
        description="Look after one host through an API that runs elsewhere. `trivet join` does the same, and "
        "remembers what it was told.",
    )
    parser.add_argument("--api", metavar="URL", required=True, help="Where the API answers.")
    parser.add_argument(
        "--secret-file", metavar="FILE", type=Path, required=True, help="Holds the secret of the host's credential."
    )
    parser.add_argument(
        "--data", metavar="DIR", type=Path, required=True, help="Everything of this agent lives under this directory."
    )
    parser.add_argument(
        "--underlay", metavar="ADDRESS/PREFIX@INTERFACE", default="",
        help="This host's place on the network between the hosts, such as 10.20.0.2/24@eth1.",
    )  # fmt: skip
    parser.add_argument("--sim", action="store_true", help="A simulated host, which needs no underlay.")
    add_parts(parser)
    parser.set_defaults(run=run)


def add_parts(parser: argparse.ArgumentParser) -> None:
    """Which parts of the host servers get."""
    parser.add_argument(
        "--cpu-dedicated-set", metavar="CPUS", default="",
        help="CPUs that servers may have for themselves, such as 2-15,18-31. Empty: none.",
    )  # fmt: skip
    parser.add_argument(
        "--cpu-shared-set", metavar="CPUS", default="",
        help="CPUs that servers share. Empty: all, or none where --cpu-dedicated-set names some.",
    )  # fmt: skip
    parser.add_argument(
        "--pci-devices", metavar="RULES", default="",
        help="PCI functions that servers may have, under the names that flavors ask for: gpu=10de:20b0,nic=0000:81:*.",
    )  # fmt: skip


def parts_of(chosen: argparse.Namespace) -> tuple[str, ...]:
    """What was said of them."""
    return chosen.cpu_dedicated_set, chosen.cpu_shared_set, chosen.pci_devices


def run(chosen: argparse.Namespace) -> int:
    return look_after(
        chosen.api, chosen.secret_file, chosen.data, chosen.underlay, sim=chosen.sim, given=parts_of(chosen)
    )


def look_after(
    api: str, secret_file: Path, data: Path, underlay: str, *, sim: bool, given: tuple[str, ...] = ()
) -> int:
    """`given`: the parts of the host that servers get, as `parts_of` has them."""
    if not sim and not underlay:
        raise Invalid(
            "agent.underlay",
            "A host with real engines needs its place on the network between the hosts: say "
            "--underlay ADDRESS/PREFIX@INTERFACE. A simulated one (--sim) needs none.",
        )
    import uvloop  # noqa: PLC0415 - `trivet --help` need not wait for it

    from trivet.logs import set_up  # noqa: PLC0415

    set_up(json=False)
    return uvloop.run(_run(api, secret_file, data, _World(underlay, sim, given)))


class _World(NamedTuple):
    """What was said of the host."""

    underlay: str
    sim: bool
    given: tuple[str, ...]


async def _run(api: str, secret_file: Path, data: Path, said: _World) -> int:
    from trivet.agent.http_link import HttpLink  # noqa: PLC0415
    from trivet.cli.announce import say  # noqa: PLC0415
    from trivet.clock import SystemClock  # noqa: PLC0415
    from trivet.errors import TrivetError  # noqa: PLC0415
    from trivet.hosting.remote_host import RemoteHost, holder_of, read_secret  # noqa: PLC0415
    from trivet.ids import SystemIds  # noqa: PLC0415

    try:
        secret = read_secret(secret_file)
    except UnicodeDecodeError as error:
        raise Invalid("agent.secret", f"{secret_file} does not hold the secret of a host credential.") from error
    holder, lock = holder_of(data, SystemIds())
    link = HttpLink(api, secret, data)
    world = await _world(data.absolute(), said)
    host = RemoteHost(link, SystemClock(), world, holder, lambda name: say(f"ready: host {name} through {api}"))
    work = asyncio.create_task(host.run(), name="agent")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        try:
            async with asyncio.timeout(3):
                await link.leave()
        except (TrivetError, TimeoutError):
            # The lease ends by itself.
            pass
    finally:
        await world.leave()
        await link.close()
        os.close(lock)
    return 0


async def _world(data: Path, said: _World) -> "World":
    if said.sim:
        from trivet.clock import SystemClock  # noqa: PLC0415
        from trivet.hosting.simulated_world import SimulatedWorld  # noqa: PLC0415

        return SimulatedWorld(SystemClock())
    from trivet.drivers.ovn.seats import read_underlay  # noqa: PLC0415
    from trivet.hosting.inside import Given  # noqa: PLC0415
    from trivet.hosting.real_world import RealWorld  # noqa: PLC0415
    from trivet.hosting.this_machine import ThisMachine  # noqa: PLC0415
    from trivet.setting_checks import check_underlay  # noqa: PLC0415

    machine = await ThisMachine.found(data, Given(*said.given))
    return RealWorld(machine, data, read_underlay(check_underlay(said.underlay)))
