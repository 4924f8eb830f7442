"""trivet invite: what another machine is told to become a host of this cloud."""

import argparse
from pathlib import Path

from trivet.cli import options
from trivet.cli.cloud_client import CloudClient


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "invite",
        help="let another machine become a host",
        description="Make the token with which another machine becomes the host NAME of this cloud (trivet join). The "
        "token is good for that host only, and shown this once. The host may sell what it has when it comes for the "
        "first time, and what it gains later when you approve it.",
    )
    parser.add_argument("host", metavar="NAME", help="What the host is called from now on.")
    parser.add_argument("--token-only", action="store_true", help="Print the token alone, for scripts.")
    options.add_settings(parser, "data")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    cloud = CloudClient(Path(options.read_settings(chosen).data) / "clouds.yaml")
    made = cloud.post("/v1/agent/credentials", {"host": chosen.host, "awaited": True})
    if chosen.token_only:
        print(made["secret"])
        return 0
    print(f"As root, on the machine that becomes {chosen.host}, with its own address between the hosts:\n")
    print(f"    trivet join {cloud.url} --token {made['secret']} --underlay ADDRESS/PREFIX@INTERFACE\n")
    return 0
