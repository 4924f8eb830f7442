"""A cloud that is there: commands that work on one make none, not even where its place is mistyped."""

from pathlib import Path

from trivet.cli import data_folder
from trivet.errors import NotFound
from trivet.ids import SystemIds
from trivet.settings import Settings
from trivet.store.store import Store

_EMPTY = "There is no cloud in this database: trivet up makes one. Look at --database."


async def opened(settings: Settings) -> Store:
    """Its store; whoever asked closes it. Nothing is made, neither a folder nor a file nor a table."""
    from trivet.clock import SystemClock  # noqa: PLC0415 - `trivet --help` need not wait for it
    from trivet.process import make_store  # noqa: PLC0415

    file = settings.database_file
    if file is not None:
        if not file.exists():
            raise NotFound("cloud.absent", _nothing_at(file))
        data_folder.check_database(file)
        if file.stat().st_size == 0:
            raise NotFound("cloud.absent", _EMPTY)
    store = make_store(settings, SystemClock(), SystemIds())
    await store.open()
    try:
        async with store.read() as tx:
            has_cloud = await tx.has_table("migrations")
    except BaseException:
        await store.close()
        raise
    if not has_cloud:
        await store.close()
        raise NotFound("cloud.absent", _EMPTY)
    return store


def _nothing_at(file: Path) -> str:
    return (
        f"There is no {file}, so no cloud: name its directory with --data, or its database with --database "
        "(TRIVET_DATABASE) if that is elsewhere, in PostgreSQL say."
    )
