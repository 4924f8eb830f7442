"""trivet up: the whole cloud in one command."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import time
from pathlib import Path

from trivet.cli import options
from trivet.errors import Invalid
from trivet.settings import Settings

_Commands = argparse._SubParsersAction


def add(commands: "_Commands[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "up",
        help="bring up the whole cloud on this machine",
        description="Bring up the whole cloud on this machine: API, controllers and this host. Stops on Ctrl-C.",
    )
    options.add_settings(parser, "sim", "sim_hosts", "data", "listen", "database", "workers", "public_url")
    parser.set_defaults(run=run, with_hosts=True)


def run(chosen: argparse.Namespace) -> int:
    settings = options.read_settings(chosen)
    try:
        Path(settings.data).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(
            "data.refused", f"Cannot make {settings.data} ({error.strerror}); choose another with --data."
        ) from error
    if settings.workers > 1 and os.environ.get("TRIVET_WORKER") is None:
        from trivet.cli.workers import supervise  # noqa: PLC0415 - only where it is asked for

        return supervise(settings)
    return serve(settings, with_hosts=chosen.with_hosts)


def serve(settings: Settings, *, with_hosts: bool) -> int:
    import uvloop  # noqa: PLC0415 - `trivet --help` need not wait for it

    from trivet.logs import set_up  # noqa: PLC0415

    set_up(json=settings.log_json)
    return uvloop.run(_serve(settings, with_hosts=with_hosts))


async def _serve(settings: Settings, *, with_hosts: bool) -> int:
    from trivet.cli.clouds_yaml import write_clouds_yaml  # noqa: PLC0415
    from trivet.process import running, serving  # noqa: PLC0415

    began = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pid_file = Path(settings.data) / "trivet.pid"
    alone = os.environ.get("TRIVET_WORKER") is None
    if not alone:
        _watch_parent(stop)
    async with running(settings, with_hosts=with_hosts) as process, serving(process):
        path = write_clouds_yaml(settings, process.admin_password)
        _collect_seldom()
        if alone:
            pid_file.write_text(f"{os.getpid()}\n")
        if process.admin_password and not settings.admin_password:
            say(f"admin's password, shown this once: {process.admin_password}")
        say(f"ready: {settings.url} after {time.monotonic() - began:.1f} s; clouds.yaml: {path}")
        await stop.wait()
        logging.getLogger(__name__).info("Stopping")
    if alone:
        pid_file.unlink(missing_ok=True)
    return 0


def _collect_seldom() -> None:
    """What the start has made stays for good, and the objects of one long list are no reason to look for circles: in
    a profile of 500 placement candidates that took about a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _watch_parent(stop: asyncio.Event) -> None:
    """A worker goes when its supervisor has gone, however that ended."""
    loop, parent = asyncio.get_running_loop(), os.getppid()

    def look() -> None:
        if os.getppid() != parent:
            stop.set()
        else:
            loop.call_later(1.0, look)

    look()


def say(sentence: str) -> None:
    print(sentence, flush=True)
    sys.stdout.flush()
