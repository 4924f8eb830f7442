"""A lab of several hosts: one that has the cloud, and others that have joined it."""

import http.client
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from trivet.errors import Busy
from trivet.lab.bmcs import Bmcs
from trivet.lab.fabric import Fabric
from trivet.lab.host import LabHost, trivet

_PORT = 8774
_READY_S = 120.0


class Lab:
    def __init__(self, directory: Path, name: str = "lab") -> None:
        self.directory = directory.absolute()
        self.fabric = Fabric(name)
        self.bmcs = Bmcs(self.directory, self.fabric)

    def host(self, number: int) -> LabHost:
        return LabHost(self.fabric, self.directory / f"h{number}", number)

    def hosts(self) -> list[LabHost]:
        """All that were ever there, by number."""
        numbers = sorted(int(folder.name[1:]) for folder in self.directory.glob("h[0-9]*"))
        return [self.host(number) for number in numbers]

    @property
    def clouds_yaml(self) -> Path:
        return self.host(1).data / "clouds.yaml"

    @property
    def url(self) -> str:
        return f"http://{self.host(1).address}:{_PORT}"

    def up(self, count: int, told: Callable[[str], None]) -> None:
        self.fabric.lay()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.bmcs.start()
        for number in range(1, count + 1):
            told(f"Host h{number} gets power")
            self.power_on(number)
            self._wait_for(number)

    def power_on(self, number: int) -> None:
        host = self.host(number)
        if host.pid() is not None:
            return
        place = f"{self.fabric.tenant_address(number)}/24@tenant0"
        if number == 1:
            words: tuple[str, ...] = ("up", "--listen", f"{host.address}:{_PORT}", "--plain-http", "--underlay", place)
        elif (host.data / "joined.json").exists():
            words = ("join",)
        else:
            words = ("join", self.url, "--token", self._invited(host), "--underlay", place)
        host.power_on(*trivet(*words, "--data", str(host.data)))

    def down(self, told: Callable[[str], None]) -> None:
        """Every host ends in order, those that joined first; what they keep on their disks stays."""
        for host in reversed(self.hosts()):
            if host.pid() is not None:
                told(f"Host {host.name} is shut down")
                host.shut_down()
        self.bmcs.stop()
        self.fabric.remove()

    def remove(self) -> None:
        """With all that its hosts keep."""
        self.down(lambda _: None)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _invited(self, host: LabHost) -> str:
        command = trivet("invite", host.name, "--data", str(self.host(1).data), "--token-only")
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def _wait_for(self, number: int) -> None:
        """The cloud's own host answers; another one is known there as up."""
        host = self.host(number)
        end = time.monotonic() + _READY_S
        while not (self._answers() if number == 1 else "ready:" in host.last_words()):
            if host.pid() is None or time.monotonic() > end:
                raise Busy("lab.host", f"Host {host.name} did not come up. Its last words:\n{host.last_words()}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        with closing(http.client.HTTPConnection(self.host(1).address, _PORT, timeout=2)) as connection:
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200 and self.clouds_yaml.exists()
            except (OSError, http.client.HTTPException):
                return False
