"""/snapshots/{id}/metadata: words that a tenant hangs on a snapshot."""

from trivet.api.volume import metadata
from trivet.api.volume.paths import VolumeResource
from trivet.api.volume.snapshots import owned, visible
from trivet.domain.volumes import snapshots
from trivet.domain.volumes.snapshots import Snapshot
from trivet.store.tx import Tx

resource = VolumeResource()


async def _write(tx: Tx, snapshot: Snapshot, words: dict[str, str]) -> None:
    await snapshots.change(tx, snapshot, metadata=words)


_show = metadata.declare(
    resource, "/snapshots/{snapshot_id}/metadata", "A snapshot", visible=visible, changeable=owned, write=_write
)
# Clients of old say it in the singular, to read one word.
resource.on("GET", "/snapshot/{snapshot_id}/metadata/{key}", may="reader")(_show)
