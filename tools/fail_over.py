"""Fail-over: three real hosts on this machine, servers on them, one host loses its power, and the screen shows what
follows second by second: noticed, told, fenced, brought back.

What it makes goes again at the end, but for the hosts' disks: a second run finds the hosts and their images.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from trivet.lab.lab import Lab

BIN = Path(sys.executable).parent
DOOMED, NETWORK = "h2", "fail-over"
SERVERS = {"a-vm": "guest", "a-container": "container"}
_READY_S = 300.0


def say(sentence: str) -> None:
    print(f"\033[1m==> {sentence}\033[0m", flush=True)


class Show:
    def __init__(self, build: Path) -> None:
        self.build = build
        self.lab = Lab(build.parent / "lab")

    def trivet_lab(self, *words: str) -> None:
        say("$ trivet lab " + " ".join(words))
        subprocess.run([str(BIN / "trivet"), "lab", "--data", str(self.lab.directory), *words], check=True)

    def openstack(self, *words: str, quiet: bool = False, plain: bool = False) -> Any:
        """The stock client, unchanged."""
        if not quiet:
            say("$ openstack " + " ".join(words))
        made = subprocess.run(
            [str(BIN / "openstack"), *words, *([] if plain else ["-f", "json"])],
            env=os.environ | {"OS_CLIENT_CONFIG_FILE": str(self.lab.clouds_yaml), "OS_CLOUD": "trivet"},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise SystemExit(f"openstack {' '.join(words)} failed:\n{made.stderr}")
        return made.stdout if plain else json.loads(made.stdout)

    def has(self, noun: str, name: str) -> bool:
        return any(row["Name"] == name for row in self.openstack(noun, "list", quiet=True))

    def make(self) -> None:
        guest = str(self.build / "guest" / "trivet-guest.qcow2")
        container = str(self.build / "container" / "trivet-container.oci.tar")
        steps: tuple[tuple[str, str, tuple[str, ...]], ...] = (
            ("image", "guest", ("--disk-format", "qcow2", "--file", guest)),
            ("image", "container", ("--container-format", "docker", "--disk-format", "raw", "--file", container)),
            ("network", NETWORK, ()),
            ("subnet", NETWORK, ("--network", NETWORK, "--subnet-range", "10.8.0.0/24")),
        )
        for noun, name, words in steps:
            if not self.has(noun, name):
                self.openstack(noun, "create", *words, name)
        for name, image in SERVERS.items():
            if self.has("server", name):
                self.openstack("server", "delete", "--wait", name, plain=True)
            # Without this property a server waits for its host.
            self.openstack(
                "server", "create", "--image", image, "--flavor", "trivet.micro", "--network", NETWORK,
                "--property", "HA_Enabled=True", "--availability-zone", f"nova:{DOOMED}", name,
            )  # fmt: skip
        self.wait_until_active()

    def wait_until_active(self) -> None:
        end = time.monotonic() + _READY_S
        while any(row["Status"] != "ACTIVE" for row in self.openstack("server", "list", quiet=True)):
            if time.monotonic() > end:
                raise SystemExit("Gave up waiting for the servers to be ACTIVE.")
            print(".", end="", flush=True)
            time.sleep(1)
        print(flush=True)

    def where(self) -> str:
        said: str = self.openstack("server", "list", "--long", "-c", "Name", "-c", "Status", "-c", "Host", plain=True)
        return said


def main() -> int:
    show = Show(Path(sys.argv[1]).resolve())
    # Here hosts die by intent, and a run may follow another; elsewhere many deaths in an hour are looked into first.
    os.environ["TRIVET_FENCING_MOST"] = "1000"
    try:
        show.trivet_lab("up", "--hosts", "3")
        show.make()
        print(show.where())
        show.trivet_lab("failover", DOOMED)
        print(show.where())
        say(f"{DOOMED} gets its power back, and lets go of what was moved")
        show.trivet_lab("on", DOOMED)
    except KeyboardInterrupt:
        print()
    finally:
        show.trivet_lab("down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
