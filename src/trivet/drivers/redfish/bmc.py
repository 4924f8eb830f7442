"""A BMC that speaks Redfish: GET of a ComputerSystem for its power, and its action Reset to cut it.

Two verbs of two requests need no client library (docs/decisions/0135-fencing.md).
"""

import asyncio
import base64
import http.client
import json
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.power import CUT_S, BmcAt, Power

_ASK_S = 4.0
_LOOK_AGAIN_S = 0.1
_BODY_MAX = 1 << 20
_RESET = "#ComputerSystem.Reset"
_OFF, _ON = ("Off",), ("On", "PoweringOn", "PoweringOff", "Paused")


class RedfishPower:
    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="bmc")

    async def look(self, at: BmcAt) -> Power:
        return _power(await self._in_thread(at, "GET", urlsplit(at.url).path))

    async def cut(self, at: BmcAt) -> None:
        system = await self._in_thread(at, "GET", urlsplit(at.url).path)
        until = time.monotonic() + CUT_S - _ASK_S
        while _power(system) != "off":
            if time.monotonic() > until:
                raise DriverError("The BMC was told to cut the power, and still says that it is on.", again=True)
            await self._in_thread(at, "POST", _target(at, system), {"ResetType": "ForceOff"})
            await asyncio.sleep(_LOOK_AGAIN_S)
            system = await self._in_thread(at, "GET", urlsplit(at.url).path)

    async def _in_thread(self, at: BmcAt, method: str, path: str, said: object = None) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _asked, at, method, path, said)


def _power(system: dict[str, Any]) -> Power:
    said = system.get("PowerState")
    if said in _OFF:
        return "off"
    if said in _ON:
        return "on"
    raise DriverError(f"The BMC says neither that the power is on nor that it is off: {str(said)[:64]!r}.", again=True)


def _target(at: BmcAt, system: dict[str, Any]) -> str:
    """Where the action is, as the system itself says. Never at another server."""
    actions = system.get("Actions")
    action = actions.get(_RESET) if isinstance(actions, dict) else None
    target = action.get("target") if isinstance(action, dict) else None
    path = urlsplit(target).path if isinstance(target, str) else ""
    return path or f"{urlsplit(at.url).path.rstrip('/')}/Actions/ComputerSystem.Reset"


def _asked(at: BmcAt, method: str, path: str, said: object) -> dict[str, Any]:
    parts = urlsplit(at.url)
    connection = _connection(at)
    login = base64.b64encode(f"{at.username}:{at.password}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Accept": "application/json", "Content-Type": "application/json"}
    try:
        connection.request(method, path or "/", json.dumps(said) if said is not None else None, headers)
        answer = connection.getresponse()
        body = answer.read(_BODY_MAX)
        if answer.status >= 300:
            raise DriverError(f"The BMC at {parts.netloc} answers {answer.status} to {method} {path}.", again=True)
        found = json.loads(body) if body else {}
        if not isinstance(found, dict):
            raise DriverError(f"The BMC at {parts.netloc} answers what is no Redfish.", again=True)
        return found
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DriverError(f"The BMC at {parts.netloc} cannot be asked: {error}.", again=True) from error
    finally:
        connection.close()


def _connection(at: BmcAt) -> http.client.HTTPConnection:
    parts = urlsplit(at.url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port or 80, timeout=_ASK_S)
    trust = ssl.create_default_context(cadata=at.certificate or None)
    return http.client.HTTPSConnection(host, parts.port or 443, timeout=_ASK_S, context=trust)
