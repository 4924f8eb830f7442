"""trivet: one small cloud for virtual machines, containers and bare metal.

Each command is a module with `add(subparsers)`; what it imports, it imports when it runs, so that
`trivet --help` answers at once.
"""

import argparse
import sys

from trivet.cli import agent, api, gaps, migrate, routes, status, up
from trivet.errors import TrivetError

_EPILOG = """\
A first cloud:      trivet up --data ./cloud            (real engines; needs root)
                    trivet up --data ./cloud --sim      (simulated hosts; needs nothing)
Use it:             OS_CLIENT_CONFIG_FILE=./cloud/clouds.yaml openstack --os-cloud trivet server list
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="trivet",
        description="One small cloud for virtual machines, containers and bare metal, behind the OpenStack APIs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (up, api, agent, status, gaps, routes, migrate):
        command.add(commands)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except TrivetError as error:
        print(f"trivet: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
