"""Other people's tests: the identity, image, network and compute part of Tempest's smoke list, guest logins included.

`smoke.txt` names them, one a line. What needs volumes, the dashboard or a second host waits for those.
"""

from pathlib import Path

import pytest

from tests.contract.conftest import RealCloud
from tests.contract.tempest import conf
from tests.contract.tempest.workspace import Workspace

pytestmark = [pytest.mark.contract, pytest.mark.dataplane]

WANTED = set((Path(__file__).parent / "smoke.txt").read_text().split())


def test_the_smoke_tests_of_tempest_pass(cloud: RealCloud, workspace: Workspace) -> None:
    chosen = workspace.begin(conf.all_services(cloud), WANTED.__contains__)
    assert chosen == WANTED, "the list names tests that this Tempest does not have"
    assert workspace.finish() == len(WANTED)
