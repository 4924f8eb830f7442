"""trivet migrate: bring the database's schema forward, without starting anything."""

import argparse
import asyncio

from trivet.cli import data_folder, options


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "migrate",
        help="bring the database's schema forward",
        description="Apply the migrations that the database lacks. Processes do so by themselves when they start.",
    )
    options.add_settings(parser, "data", "database")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    from trivet.clock import SystemClock  # noqa: PLC0415 - `trivet --help` need not wait for it
    from trivet.ids import SystemIds  # noqa: PLC0415
    from trivet.process import make_store  # noqa: PLC0415

    settings = options.read_settings(chosen)
    data_folder.make(settings)

    async def migrate() -> list[str]:
        store = make_store(settings, SystemClock(), SystemIds())
        await store.open()
        try:
            return await store.migrate()
        finally:
            await store.close()

    applied = asyncio.run(migrate())
    print("\n".join(f"applied {name}" for name in applied) or "nothing to do")
    return 0
