"""trivet agent: a host's half, without the database: it talks to the API with the host's own credential."""

import argparse
import asyncio
import os
import signal
from pathlib import Path

from trivet.errors import Invalid


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "agent",
        help="look after a host whose API runs elsewhere",
        description="Look after one host through an API that runs elsewhere. The host's credential is made with POST "
        "/v1/agent/credentials; it says which host this is.",
    )
    parser.add_argument("--api", metavar="URL", required=True, help="Where the API answers.")
    parser.add_argument(
        "--secret-file", metavar="FILE", type=Path, required=True, help="Holds the secret of the host's credential."
    )
    parser.add_argument(
        "--data", metavar="DIR", type=Path, required=True, help="Everything of this agent lives under this directory."
    )
    parser.add_argument("--sim", action="store_true", help="A simulated host.")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    if not chosen.sim:
        raise Invalid(
            "agent.engines",
            "An agent with real engines cannot join a cloud yet: the network of a second host has to join the first "
            "one's. What works today: trivet up on the machine that has the engines, or trivet agent --sim.",
        )
    import uvloop  # noqa: PLC0415 - `trivet --help` need not wait for it

    from trivet.logs import set_up  # noqa: PLC0415

    set_up(json=False)
    return uvloop.run(_run(chosen.api, chosen.secret_file, chosen.data))


async def _run(api: str, secret_file: Path, data: Path) -> int:
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
    host = RemoteHost(link, SystemClock(), holder, lambda name: say(f"ready: host {name} through {api}"))
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
        await link.close()
        os.close(lock)
    return 0
