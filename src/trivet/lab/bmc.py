"""The BMCs of the lab's hosts: Redfish for each, in one process that has its own power, and that really cuts theirs."""

import base64
import hmac
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivet.drivers import durable

if TYPE_CHECKING:
    from trivet.lab.lab import Lab

PORT = 8443
USER = "operator"
_SYSTEMS = "/redfish/v1/Systems"
_READY_S = 20.0


class Bmcs:
    """From outside: they are started with the lab and end with it."""

    def __init__(self, lab: "Lab") -> None:
        self._lab = lab
        self._file = lab.directory / "bmc.json"

    def start(self) -> None:
        if self._running() is not None:
            return
        durable.write(self._file, json.dumps({"password": secrets.token_urlsafe(12)}).encode())
        command = (sys.executable, "-m", "trivet.lab.bmc", str(self._lab.directory), self._lab.fabric.name)
        with (self._lab.directory / "bmc.log").open("a") as log:
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + _READY_S
        while self._running() is None:
            if time.monotonic() > end:
                raise TimeoutError("The lab's BMCs did not start; their words are in bmc.log.")
            time.sleep(0.05)

    def stop(self) -> None:
        pid = self._running()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
        self._file.unlink(missing_ok=True)

    def access(self, number: int) -> dict[str, str]:
        """What the cloud must know to cut that host's power."""
        url = f"http://{self._lab.fabric.own_address}:{PORT}{_SYSTEMS}/h{number}"
        return {"url": url, "username": USER, "password": self._known()["password"]}

    def _known(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def _running(self) -> int | None:
        pid = self._known().get("pid")
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return int(pid) if pid is not None and b"trivet.lab.bmc" in words else None


class _Handler(BaseHTTPRequestHandler):
    lab: "Lab"
    login: bytes

    def do_GET(self) -> None:
        host = self._host("")
        if host is not None:
            self._answer(200, _system(self.lab, host))

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers.get("content-length") or 0))
        host = self._host("/Actions/ComputerSystem.Reset")
        if host is None:
            return
        act = json.loads(said or b"{}").get("ResetType")
        if act not in ("ForceOff", "On"):
            self._answer(400, {"error": {"message": f"ResetType {act!r} is not understood."}})
            return
        if act == "ForceOff":
            self.lab.host(host).power_off()
        else:
            threading.Thread(target=self.lab.power_on, args=(host,), daemon=True).start()
        self._answer(204, None)

    def _host(self, rest: str) -> int | None:
        given = self.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self.login):
            self._answer(401, {"error": {"message": "Who are you?"}})
            return None
        name = self.path.removeprefix(f"{_SYSTEMS}/").removesuffix(rest)
        number = name.removeprefix("h")
        if not number.isdigit() or not self.path.endswith(rest) or not self.lab.host(int(number)).directory.exists():
            self._answer(404, {"error": {"message": "There is no such system."}})
            return None
        return int(number)

    def _answer(self, status: int, body: object) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _system(lab: "Lab", number: int) -> dict[str, Any]:
    path = f"{_SYSTEMS}/h{number}"
    kinds = ["On", "ForceOff"]
    reset = {"target": f"{path}/Actions/ComputerSystem.Reset", "ResetType@Redfish.AllowableValues": kinds}
    return {
        "@odata.id": path,
        "@odata.type": "#ComputerSystem.v1_20_0.ComputerSystem",
        "Id": f"h{number}",
        "Name": f"Host h{number} of the lab",
        "PowerState": "On" if lab.host(number).pid() is not None else "Off",
        "Actions": {"#ComputerSystem.Reset": reset},
    }


def main(directory: str, name: str) -> None:
    from trivet.lab.lab import Lab  # noqa: PLC0415 - which knows this module

    lab = Lab(Path(directory), name)
    file = lab.directory / "bmc.json"
    known = json.loads(file.read_text())
    login = base64.b64encode(f"{USER}:{known['password']}".encode())
    handler = type("Handler", (_Handler,), {"lab": lab, "login": b"Basic " + login})
    server = ThreadingHTTPServer((lab.fabric.own_address, PORT), handler)
    durable.write(file, json.dumps({**known, "pid": os.getpid()}).encode())
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:3])
