"""trivet migrate: bring the database's schema forward, without starting anything; of a cloud that is there."""

import argparse
import asyncio

from trivet.cli import known_cloud, options


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "migrate",
        help="bring the database's schema forward",
        description="Apply the migrations that the database lacks. Processes do so by themselves when they start.",
    )
    options.add_settings(parser, "data", "database")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    settings = options.read_settings(chosen)

    async def migrate() -> list[str]:
        store = await known_cloud.opened(settings)
        try:
            return await store.migrate()
        finally:
            await store.close()

    applied = asyncio.run(migrate())
    print("\n".join(f"applied {name}" for name in applied) or "nothing to do")
    return 0
