"""trivet api: one more equal process, without a host of its own."""

import argparse

from trivet.cli import options
from trivet.cli.up import run


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "api",
        help="serve the API and the controllers, without a host",
        description="One more equal process on a shared database: API and controllers, but no host on this machine.",
    )
    options.add_settings(parser, "data", "listen", "database", "workers", *options.REACHED)
    parser.set_defaults(run=run, with_hosts=False)
