"""trivet rotate: sign tokens with the next key from now on. Processes do so by themselves every 30 days.

A token outlives one rotation and never two, so two in a row end every token there is. A third replaces the last of the
three keys that were there, which is what to do when somebody may have seen them.

With --payloads the keys by which the key manager seals what tenants keep are made new instead.
"""

import argparse
import asyncio
from pathlib import Path

from trivet.cli import known_cloud, options
from trivet.errors import Invalid
from trivet.settings import Settings


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "rotate",
        help="change the key that signs tokens",
        description="Sign tokens with the next key from now on, in every process of this database. Tokens that are "
        "there stay good: a second rotation ends them. Processes rotate by themselves every 30 days.",
    )
    options.add_settings(parser, "data", "database")
    parser.add_argument(
        "--payloads",
        action="store_true",
        help="instead: make new keys for what the key manager keeps, and seal all of it with them; the cloud goes on",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    settings = options.read_settings(chosen)
    secret = Path(settings.data) / "secret"
    if not secret.exists():
        raise Invalid("rotate.no_cloud", f"There is no {secret}; name the data directory of a cloud with --data.")
    print(asyncio.run((_payload_keys if chosen.payloads else _signing_keys)(settings, secret.read_bytes())))
    return 0


async def _signing_keys(settings: Settings, secret: bytes) -> str:
    from trivet.clock import SystemClock  # noqa: PLC0415 - `trivet --help` need not wait for it
    from trivet.domain.identity.tokens import signing_keys  # noqa: PLC0415
    from trivet.domain.identity.tokens.tokens import Tokens  # noqa: PLC0415
    from trivet.domain.secrets import Secrets  # noqa: PLC0415
    from trivet.store.store import transact  # noqa: PLC0415
    from trivet.store.tx import Tx  # noqa: PLC0415

    secrets = Secrets(secret)

    async def change(tx: Tx) -> None:
        await signing_keys.load(tx, Tokens(SystemClock()), secrets)
        await signing_keys.rotate(tx, secrets)

    store = await known_cloud.opened(settings)
    try:
        await transact(store, change)
    finally:
        await store.close()
    return "The next key signs from now on. Tokens of the one before stay good; those of older ones have ended."


async def _payload_keys(settings: Settings, secret: bytes) -> str:
    from trivet.domain.key_manager import rotation  # noqa: PLC0415 - `trivet --help` need not wait for it
    from trivet.domain.secrets import Secrets  # noqa: PLC0415
    from trivet.store.store import transact  # noqa: PLC0415

    secrets = Secrets(secret)
    store = await known_cloud.opened(settings)
    try:
        projects = await transact(store, lambda tx: rotation.begin(tx, secrets))
        sealed = 0
        while some := await transact(store, lambda tx: rotation.go_on(tx, secrets)):
            sealed += some
        await transact(store, rotation.end)
    finally:
        await store.close()
    return f"{sealed} secrets of {projects} projects are sealed with new keys; the old keys are gone."
