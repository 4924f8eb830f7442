"""What the tests of the API share by name.

`cloud` is not among it, since that means compute's to some and images' to others: they import theirs.
"""

import pytest
from tests.api.identity.identity_cloud import identity, new_identity
from tests.api.key_manager.key_cloud import keys
from tests.api.network.network_cloud import here
from tests.api.placement.placement_cloud import placement
from tests.postgres import PostgresCluster

__all__ = ["here", "identity", "keys", "new_identity", "placement"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """Where a cloud keeps its records: nothing is SQLite in memory, otherwise an empty database of PostgreSQL."""
    if request.param == "sqlite":
        return ""
    cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
    return cluster.migrated_database()
