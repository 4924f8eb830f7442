"""Where the lab's BMCs are, from outside: they are started with the lab and end with it."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from trivet.drivers import durable
from trivet.lab.fabric import Fabric

PORT = 8443
USER = "operator"
SYSTEMS = "/redfish/v1/Systems"
_READY_S = 20.0


class Bmcs(msgspec.Struct, frozen=True):
    directory: Path
    """Of the lab."""
    fabric: Fabric

    @property
    def file(self) -> Path:
        return self.directory / "bmc.json"

    def start(self) -> None:
        if self._running() is not None:
            return
        durable.write(self.file, json.dumps({"password": secrets.token_urlsafe(12)}).encode())
        command = (sys.executable, "-m", "trivet.lab.bmc", str(self.directory), self.fabric.name)
        with (self.directory / "bmc.log").open("a") as log:
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
        self.file.unlink(missing_ok=True)

    def access(self, number: int) -> dict[str, str]:
        """What the cloud must know to cut that host's power."""
        url = f"http://{self.fabric.own_address}:{PORT}{SYSTEMS}/h{number}"
        return {"url": url, "username": USER, "password": self._known()["password"]}

    def _known(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.file.read_text())
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
