"""Other people's tests: all that Tempest and keystone's own plugin ask of identity, with the table of who may do what.

They need no engine, so the hosts are simulated; the database is PostgreSQL. Not asked: to log in by SAML or OIDC.
"""

import pytest

from tests.contract.tempest import conf
from tests.contract.tempest.workspace import Workspace
from tests.postgres import PostgresCluster
from trivet.testing import SimCloud

pytestmark = [pytest.mark.contract, pytest.mark.postgres]

WANTED = (
    "tempest.api.identity.",
    "keystone_tempest_plugin.tests.api.identity.",
    "keystone_tempest_plugin.tests.rbac.",
)
AT_LEAST = 2_100
SKIP_THEMSELVES = 8
"""Application credentials for users of a domain or of the system, which have no project to make them in."""
RULES = {"lockout_tries": 2, "lockout_s": 10, "password_history": 2}


def test_the_identity_tests_of_tempest_and_keystone_pass(
    workspace: Workspace, postgres_cluster: PostgresCluster
) -> None:
    with SimCloud(database=postgres_cluster.new_database(), **RULES) as cloud:
        sections = conf.identity(cloud.auth)
        sections["identity"] |= {
            "user_lockout_failure_attempts": str(RULES["lockout_tries"]),
            "user_lockout_duration": str(RULES["lockout_s"]),
            "user_unique_last_password_count": str(RULES["password_history"]),
        }
        features = ("security_compliance", "project_tags", "application_credentials", "access_rules")
        sections["identity-feature-enabled"] |= dict.fromkeys(features, "true")
        sections["enforce_scope"] = {"keystone": "true"}
        chosen = workspace.begin(sections, lambda name: name.startswith(WANTED))
        assert len(chosen) >= AT_LEAST
        assert workspace.finish() == len(chosen) - SKIP_THEMSELVES
