"""The BMC's driver against a BMC that speaks Redfish, honestly and not."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.power import BmcAt
from trivet.drivers.redfish.bmc import RedfishPower

PATH = "/redfish/v1/Systems/1"


class Bmc:
    def __init__(self) -> None:
        self.power: Any = "On"
        self.obeys_at = 1
        self.told: list[Any] = []
        bmc = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                reset = {"target": f"{PATH}/Actions/Odd.Reset"}
                self._say({"PowerState": bmc.power, "Actions": {"#ComputerSystem.Reset": reset}})

            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["content-length"])))
                bmc.told.append((self.path, said, self.headers["authorization"]))
                if len(bmc.told) >= bmc.obeys_at:
                    bmc.power = "Off"
                self._say({})

            def _say(self, body: object) -> None:
                text = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.at = BmcAt(f"http://127.0.0.1:{self.server.server_address[1]}{PATH}", "root", "calvin")


@pytest.fixture
def bmc() -> Iterator[Bmc]:
    bmc = Bmc()
    yield bmc
    bmc.server.shutdown()
    bmc.server.server_close()


async def test_a_cut_is_told_where_the_bmc_says_and_counts_when_the_power_is_off(bmc: Bmc) -> None:
    bmc.obeys_at = 2
    await RedfishPower().cut(bmc.at)
    assert [path for path, _, _ in bmc.told] == [f"{PATH}/Actions/Odd.Reset"] * 2
    assert bmc.told[0][1] == {"ResetType": "ForceOff"}
    assert await RedfishPower().look(bmc.at) == "off"


async def test_what_is_off_already_is_left_alone(bmc: Bmc) -> None:
    bmc.power = "Off"
    await RedfishPower().cut(bmc.at)
    assert bmc.told == []


async def test_what_says_neither_is_not_believed(bmc: Bmc) -> None:
    bmc.power = None
    with pytest.raises(DriverError, match="neither"):
        await RedfishPower().look(bmc.at)


async def test_a_bmc_that_is_away_is_trouble_that_may_pass(bmc: Bmc) -> None:
    bmc.server.shutdown()
    bmc.server.server_close()
    with pytest.raises(DriverError) as raised:
        await RedfishPower().cut(bmc.at)
    assert raised.value.again
