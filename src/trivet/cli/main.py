"""trivet: one small cloud for virtual machines, containers and bare metal.

Each command is a module with `add(subparsers)`; what it imports, it imports when it runs, so that
`trivet --help` answers at once.
"""

import argparse
import os
import sys

from trivet.cli import (
    agent,
    api,
    audit,
    certificate,
    completion,
    gaps,
    invite,
    join,
    lab,
    migrate,
    rotate,
    routes,
    status,
    up,
    upgrade,
)
from trivet.errors import TrivetError
from trivet.release import RELEASE

_COMMANDS = (
    up, api, invite, join, agent, lab, status, audit, upgrade, migrate, rotate, certificate, routes, gaps, completion
)  # fmt: skip
_EPILOG = """\
A first cloud, simulated (needs no root, and stays until Ctrl-C):
    trivet up --sim --data ./cloud
In another terminal, with OpenStack's own client:
    export OS_CLIENT_CONFIG_FILE=$PWD/cloud/clouds.yaml OS_CLOUD=trivet
    openstack server list
With real virtual machines and containers (as root on Debian 12):
    trivet up --data ./cloud
`trivet COMMAND --help` tells more of each.
"""


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)
        # As long as the name of a command with what it is indented by, which argparse does not count.
        self._action_max_length = 15


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="trivet",
        description="One small cloud for virtual machines and containers, behind the OpenStack APIs.",
        epilog=_EPILOG,
        formatter_class=_Help,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    parser.add_argument("--version", action="version", version=f"trivet {RELEASE}", help="Say which release this is.")
    for command in _COMMANDS:
        command.add(commands)
    try:
        chosen, unknown = parser.parse_known_args(arguments)
        if unknown:
            # Said by the command, which shows the flags that it has; argparse would show those of `trivet`.
            commands.choices.get(chosen.command, parser).error(f"unrecognized arguments: {' '.join(unknown)}")
        if chosen.command is None:
            parser.print_help(sys.stderr)
            return 2
        code = int(chosen.run(chosen))
        sys.stdout.flush()
        return code
    except TrivetError as error:
        print(f"trivet: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read us (`trivet routes | head`) has had enough; and the interpreter flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A file or a disk that no command foresaw.
        about = f"{error.filename}: " if error.filename is not None else ""
        print(f"trivet: {about}{error.strerror or error}.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
