"""Other people's tests: all that Tempest asks of an object store. The hosts are simulated; the bytes are real."""

import pytest

from tests.contract.tempest import conf
from tests.contract.tempest.workspace import Workspace
from tests.postgres import PostgresCluster
from trivet.testing import SimCloud

pytestmark = [pytest.mark.contract, pytest.mark.postgres]

WANTED = "tempest.api.object_storage."
NOT_OFFERED = ("_sync", "test_crossdomain")
"""Two clusters that copy each other's containers, and a file for Flash: /info does not say that we do."""
OFFERED = (
    "account_quotas", "bulk_delete", "bulk_upload", "container_quotas", "dlo", "formpost", "slo", "staticweb",
    "symlink", "tempurl", "versioned_writes",
)  # fmt: skip
SKIPS_ITSELF = 1
"""A quota of the storage policy "silver"."""
AT_LEAST = 140


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
            "discoverable_apis": ",".join(OFFERED),
        }
        chosen = workspace.begin(sections, _is_wanted)
        assert len(chosen) >= AT_LEAST
        assert workspace.finish() == len(chosen) - SKIPS_ITSELF


def _is_wanted(name: str) -> bool:
    return name.startswith(WANTED) and not any(part in name for part in NOT_OFFERED)
