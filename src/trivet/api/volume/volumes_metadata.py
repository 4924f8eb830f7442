"""/volumes/{id}/metadata: words that a tenant hangs on a volume."""

from trivet.api.volume import metadata
from trivet.api.volume.paths import VolumeResource
from trivet.api.volume.volumes import changeable, visible
from trivet.domain.volumes import volumes
from trivet.domain.volumes.volumes import Volume
from trivet.store.tx import Tx

resource = VolumeResource()


async def _write(tx: Tx, volume: Volume, words: dict[str, str]) -> None:
    await volumes.change(tx, volume, metadata=words)


metadata.declare(
    resource, "/volumes/{volume_id}/metadata", "A volume", visible=visible, changeable=changeable, write=_write
)
