"""trivet up: the whole cloud in one command."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import time

from trivet.cli import data_folder, options, workers
from trivet.cli.announce import say_ready
from trivet.settings import Settings

_Commands = argparse._SubParsersAction


def add(commands: "_Commands[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "up",
        help="bring up the whole cloud on this machine",
        description="Bring up the whole cloud on this machine: API, controllers and this host. Stops on Ctrl-C.",
    )
    options.add_settings(
        parser, "sim", "sim_hosts", "data", "listen", "database", "workers", "underlay", *options.REACHED
    )
    parser.set_defaults(run=run, with_hosts=True)


def run(chosen: argparse.Namespace) -> int:
    settings = options.read_settings(chosen)
    if workers.is_worker():
        return serve(settings, with_hosts=chosen.with_hosts)
    folder = data_folder.make(settings)
    with data_folder.held(folder):
        if settings.workers > 1:
            return workers.supervise(settings)
        return serve(settings, with_hosts=chosen.with_hosts)


def serve(settings: Settings, *, with_hosts: bool) -> int:
    import uvloop  # noqa: PLC0415 - `trivet --help` need not wait for it

    import trivet.process  # noqa: F401, PLC0415 - here, where Ctrl-C may still end it at once
    from trivet.logs import set_up  # noqa: PLC0415

    set_up(json=settings.log_json)
    return uvloop.run(_serve(settings, with_hosts=with_hosts))


async def _serve(settings: Settings, *, with_hosts: bool) -> int:
    from trivet.cli import first_password  # noqa: PLC0415
    from trivet.cli.clouds_yaml import write_clouds_yaml  # noqa: PLC0415
    from trivet.process import running  # noqa: PLC0415
    from trivet.serving.server import serving  # noqa: PLC0415

    began = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if workers.is_worker():
        _watch_parent(stop)
    foreseen = first_password.foresee(settings)
    async with running(foreseen, with_hosts=with_hosts) as process:
        password = await first_password.of_admin(process, foreseen)
        write_clouds_yaml(settings, password)
        first_password.forget(settings)
        process.number = workers.number()
        async with serving(process):
            _collect_seldom()
            if workers.is_worker():
                workers.tell_ready()
            else:
                say_ready(settings, time.monotonic() - began)
            await stop.wait()
            logging.getLogger(__name__).info("Stopping")
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
