"""What the tests of the API share by name."""

from tests.api.identity_cloud import identity, new_identity
from tests.postgres import postgres_cluster

__all__ = ["identity", "new_identity", "postgres_cluster"]
