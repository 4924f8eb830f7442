"""Other people's tests: all that Tempest asks of an object store. The hosts are simulated; the bytes are real."""

import pytest

from tests.contract.tempest import conf
from tests.contract.tempest.workspace import Workspace
from tests.postgres import PostgresCluster
from trivet.testing import SimCloud

pytestmark = [pytest.mark.contract, pytest.mark.postgres]

WANTED = "tempest.api.object_storage."
SKIP_THEMSELVES = (
    # Two clusters that copy each other's containers: not offered, and /info does not say so.
    "tempest.api.object_storage.test_container_sync.",
    "tempest.api.object_storage.test_container_sync_middleware.",
)
AT_LEAST = 95


def test_the_object_storage_tests_of_tempest_pass(workspace: Workspace, postgres_cluster: PostgresCluster) -> None:
    with SimCloud(database=postgres_cluster.new_database()) as cloud:
        sections = conf.identity(cloud.auth)
        sections["service_available"]["swift"] = "true"
        sections["object-storage"] = {"operator_role": "member", "reseller_admin_role": "admin"}
        sections["object-storage-feature-enabled"] = {
            "discoverability": "true",
            "object_versioning": "true",
            "container_sync": "false",
            "tempurl_digest_hashlib": "sha256",
            "discoverable_apis": "all",
        }
        chosen = workspace.begin(
            sections, lambda name: name.startswith(WANTED) and not name.startswith(SKIP_THEMSELVES)
        )
        assert len(chosen) >= AT_LEAST
        assert workspace.finish() == len(chosen)
