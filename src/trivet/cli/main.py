"""trivet: one small cloud for virtual machines, containers and bare metal.

Each command is a module with `add(subparsers)`; what it imports, it imports when it runs, so that
`trivet --help` answers at once.
"""

import argparse
import os
import sys

from trivet.cli import agent, api, gaps, migrate, rotate, routes, status, up
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
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    parser.add_argument("--version", action=_Version, nargs=0, help="Say which release this is.")
    for command in (up, api, agent, status, gaps, routes, migrate, rotate):
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


class _Version(argparse.Action):
    """Asked of the installed package, and only when somebody asks: finding it takes longer than --help."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"trivet {version('trivet')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
