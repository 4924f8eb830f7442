"""Every protocol that the network API takes in a rule is one that OVN is told rightly."""

import pytest

from trivet.drivers.contracts.network import GroupSpec, RuleSpec
from trivet.drivers.contracts.protocols import NUMBERS
from trivet.drivers.ovn.central.groups import group_change


@pytest.mark.parametrize("protocol", [*NUMBERS, *map(str, NUMBERS.values()), "0", "any", None])
def test_no_protocol_of_a_rule_stops_the_engine(protocol: str | None) -> None:
    rule = RuleSpec(id="r", direction="ingress", ip_version=4, protocol=protocol)
    told = str(group_change(GroupSpec(id="9a1f7a3e-2f0c-4a52-9f0b-3c1f0f6f2a11", rules=(rule,))))
    assert "ip.proto == 0" not in told
