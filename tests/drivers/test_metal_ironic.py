"""What the cloud itself asks of the engine: in whose name, and what becomes of it while the engine is away."""

import pytest
from tests.fake_metal import FakeEngine, Pairs

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.upstream import Answer, Away
from trivet.drivers.metal import ironic
from trivet.drivers.metal.ironic import OurIronic, Refused


class Restarting(FakeEngine):
    """Away for so many calls."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0
        self.reached = False

    async def ask(self, method: str, target: str, headers: Pairs, body: bytes, who: Pairs | None) -> Answer:
        if self.left:
            self.left -= 1
            raise Away(reached=self.reached)
        return await super().ask(method, target, headers, body, who)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Restarting:
    monkeypatch.setattr(ironic, "_AWAY_EVERY_S", 0.0)
    return Restarting()


async def test_the_cloud_asks_as_an_operator(engine: Restarting) -> None:
    engine.body = [b'{"nodes": ', b"[]}"]
    assert await OurIronic(engine).call("GET", "/v1/nodes") == {"nodes": []}
    [(_, _, _, _, who)] = engine.asked
    assert who is not None
    assert (who["openstack-system-scope"], who["x-identity-status"]) == ("all", "Confirmed")
    assert engine.closed == 1


async def test_an_engine_that_is_started_again_is_waited_for(engine: Restarting) -> None:
    for method in ("GET", "PUT", "PATCH"):
        engine.left = 5
        assert await OurIronic(engine).call(method, "/v1/nodes/n1") == {}
    assert len(engine.asked) == 3


async def test_what_it_may_have_done_is_not_asked_twice(engine: Restarting) -> None:
    engine.left, engine.reached = 1, True
    with pytest.raises(DriverError, match="does not answer"):
        await OurIronic(engine).call("PUT", "/v1/nodes/n1/states/provision", {"target": "active"})
    assert engine.asked == []
    engine.left = 3
    assert await OurIronic(engine).call("GET", "/v1/nodes/n1") == {}


async def test_an_engine_that_stays_away_is_given_up(engine: Restarting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ironic, "_AWAY_S", -1.0)
    engine.left = 1
    with pytest.raises(DriverError, match="does not answer"):
        await OurIronic(engine).call("GET", "/v1/nodes")


async def test_a_refusal_says_what_the_engine_said(engine: Restarting) -> None:
    engine.status = 400
    engine.body = [b'{"error_message": "{\\"faultstring\\": \\"No such driver.\\"}"}']
    with pytest.raises(Refused, match="No such driver"):
        await OurIronic(engine).call("POST", "/v1/nodes", {})
