"""trivet join: this machine becomes a host of a cloud that runs elsewhere, and stays one."""

import argparse
import os
from pathlib import Path

import msgspec

from trivet.cli import agent
from trivet.errors import Conflict, Invalid


class Joined(msgspec.Struct, frozen=True):
    """What `trivet join` was told, for when the machine starts again."""

    api: str
    underlay: str
    sim: bool = False
    given: tuple[str, ...] = ()
    """Which parts of the host servers get."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "join",
        help="make this machine a host of a cloud",
        description="Make this machine a host of a cloud that runs elsewhere, and look after it. On the cloud's own "
        "machine, `trivet invite NAME` tells the whole command. What is said is kept under --data: to start again, "
        "`trivet join --data DIR` is enough.",
    )
    parser.add_argument("api", metavar="URL", nargs="?", help="Where the cloud's API answers.")
    parser.add_argument("--token", metavar="TOKEN", help="From `trivet invite`. [TRIVET_JOIN_TOKEN]")
    parser.add_argument(
        "--underlay", metavar="ADDRESS/PREFIX@INTERFACE", default="",
        help="This host's place on the network between the hosts, such as 10.20.0.2/24@eth1.",
    )  # fmt: skip
    parser.add_argument(
        "--data", metavar="DIR", type=Path, default=Path("/var/lib/trivet"),
        help="Everything of this host lives under this directory. [/var/lib/trivet]",
    )  # fmt: skip
    parser.add_argument("--sim", action="store_true", help="A simulated host, which needs no underlay.")
    agent.add_parts(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    data = chosen.data.absolute()
    known, secret = data / "joined.json", data / "host-secret"
    if chosen.api is None:
        if not known.exists():
            raise Invalid("join.unknown", f"Nothing is known of a cloud under {data}: say its URL and a token.")
        joined = msgspec.json.decode(known.read_bytes(), type=Joined)
    else:
        joined = Joined(chosen.api, chosen.underlay, chosen.sim, agent.parts_of(chosen))
        _keep(known, secret, joined, chosen.token or os.environ.get("TRIVET_JOIN_TOKEN", ""))
    return agent.look_after(joined.api, secret, data, joined.underlay, sim=joined.sim, given=joined.given)


def _keep(known: Path, secret: Path, joined: Joined, token: str) -> None:
    from trivet.drivers import durable  # noqa: PLC0415 - `trivet --help` need not wait for it

    if (known.parent / "trivet.db").exists():
        raise Conflict("join.cloud", f"{known.parent} holds a cloud of its own: give the host another --data.")
    if not token and not secret.exists():
        raise Invalid("join.token", "Say --token: `trivet invite NAME`, on the cloud's own machine, makes one.")
    known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if token:
        durable.write(secret, token.encode(), mode=0o600)
    durable.write(known, msgspec.json.encode(joined))
