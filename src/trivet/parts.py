"""The parts of a running cloud that requests and controllers are handed: made once in process.py, never global."""

from dataclasses import dataclass, field
from functools import partial

from trivet.clock import Clock
from trivet.domain.alarms.streams import Streams
from trivet.domain.host_link.host_changes import HostChanges
from trivet.domain.host_link.words import ASKED_AGAIN_S
from trivet.domain.identity.memory import IdentityMemory
from trivet.domain.identity.people.passwords import Passwords
from trivet.domain.identity.tokens import revocations
from trivet.domain.identity.tokens.tokens import Tokens
from trivet.domain.images.shown_images import ShownImages
from trivet.domain.placement.provider_summaries import KnownProviders
from trivet.domain.secrets import Secrets
from trivet.domain.shares import Arriving, Shares
from trivet.drivers.contracts.blobs import Blobs
from trivet.drivers.contracts.upstream import Upstream
from trivet.ids import Ids
from trivet.measures import Measures
from trivet.settings import Settings
from trivet.store.leases import Sightings
from trivet.store.store import Store

ARCHIVE_PLACES = 4
KEY_PLACES = 2
METAL_PLACES = 8


@dataclass(slots=True)
class Parts:
    settings: Settings
    clock: Clock
    ids: Ids
    store: Store
    tokens: Tokens
    passwords: Passwords
    blobs: Blobs
    secrets: Secrets = field(default_factory=Secrets)
    """Opened with the key file at the start; without one (a test) nothing is sealed."""
    identity_memory: IdentityMemory = field(default_factory=IdentityMemory)
    providers: KnownProviders = field(default_factory=KnownProviders)
    shown_images: ShownImages = field(default_factory=ShownImages)
    host_changes: HostChanges = field(default_factory=HostChanges)
    archive_places: Shares = field(default_factory=lambda: Shares(ARCHIVE_PLACES, ARCHIVE_PLACES // 2))
    """Places where archives of images are read; one project takes half of them at most."""
    key_places: Shares = field(default_factory=lambda: Shares(KEY_PLACES, KEY_PLACES // 2))
    """Where pairs of keys are made, which takes a processor for a second."""
    alarm_streams: Streams = field(default_factory=Streams)
    arriving: Arriving = field(default_factory=Arriving)
    """Bytes of objects that are being sent."""
    metal: Upstream | None = None
    """The engine of physical machines; None where this cloud has none."""
    metal_places: Shares = field(default_factory=lambda: Shares(METAL_PLACES, METAL_PLACES // 2))
    """Where calls wait for that engine's answers, which may be slow."""
    measures: Measures = field(default_factory=Measures)
    sightings: Sightings = field(init=False)
    """What this process saw of holders that may have died: agents elsewhere, uploads and imports of images."""

    def __post_init__(self) -> None:
        self.sightings = Sightings(self.clock, ASKED_AGAIN_S)
        self.store.commits.listen(partial(revocations.committed, self.store, self.tokens, self.identity_memory))
