"""The BMCs of the lab's hosts: Redfish for each, in one process that has its own power, and that really cuts theirs."""

import base64
import hmac
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from trivet.domain.numbers import whole_number
from trivet.drivers import durable
from trivet.lab.bmcs import PORT, SYSTEMS, USER
from trivet.lab.lab import Lab


class _Handler(BaseHTTPRequestHandler):
    lab: Lab
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
        name = self.path.removeprefix(f"{SYSTEMS}/").removesuffix(rest)
        number = whole_number(name.removeprefix("h"))
        if number is None or not self.path.endswith(rest) or not self.lab.host(number).directory.exists():
            self._answer(404, {"error": {"message": "There is no such system."}})
            return None
        return number

    def _answer(self, status: int, body: object) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _system(lab: Lab, number: int) -> dict[str, Any]:
    path = f"{SYSTEMS}/h{number}"
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
    lab = Lab(Path(directory), name)
    file = lab.bmcs.file
    known = json.loads(file.read_text())
    login = base64.b64encode(f"{USER}:{known['password']}".encode())
    handler = type("Handler", (_Handler,), {"lab": lab, "login": b"Basic " + login})
    server = ThreadingHTTPServer((lab.fabric.own_address, PORT), handler)
    durable.write(file, json.dumps({**known, "pid": os.getpid()}).encode())
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:3])
