"""First light: bring Trivet up with real engines and show, with the stock `openstack` client, what it is for.

One network, one VM and one container from the same `openstack server create` (only image and flavor
differ), each pinging the other; and a volume that is written in the VM, moved, and read in the container. A second run
finds everything made. Ctrl-C stops it and cleans up.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

LISTEN = os.environ.get("TRIVET_LISTEN", "127.0.0.1:8774")
BIN = Path(sys.executable).parent
NETWORK, SUBNET = "first-light", "10.5.0.0/24"
VOLUME, WRITTEN = "first-light", "written in the VM"


def say(sentence: str) -> None:
    print(f"\033[1m==> {sentence}\033[0m", flush=True)


class Cloud:
    def __init__(self, build: Path) -> None:
        self.data = build.parent / "cloud"
        self.build = build
        self.process: subprocess.Popen[str] | None = None

    def up(self) -> None:
        if (self.build / "cloud").exists():
            say(
                f"An earlier release kept its cloud in {self.build}/cloud, which is left alone; this one is {self.data}"
            )
        if _alive(self.data / "trivet.pid"):
            say("Trivet runs already; using it")
            return
        command = [str(BIN / "trivet"), "up", "--data", str(self.data), "--listen", LISTEN]
        say("$ " + " ".join(["trivet", *command[1:]]))
        self.data.mkdir(parents=True, exist_ok=True)
        log = (self.data / "trivet.log").open("a")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            print("    " + line.rstrip(), flush=True)
            if line.startswith("ready"):
                return
        print((self.data / "trivet.log").read_text()[-3000:], file=sys.stderr)
        raise SystemExit("Trivet did not come up. Its API alone runs anywhere: trivet up --sim --data DIR")

    def down(self) -> None:
        if self.process is not None and self.process.poll() is None:
            say("Stopping Trivet and its engines")
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(120)

    def openstack(self, *words: str, quiet: bool = False, plain: bool = False) -> Any:
        """The stock client, unchanged; its answer as JSON, or as it prints it for people."""
        if not quiet:
            say("$ openstack " + " ".join(words))
        made = subprocess.run(
            [str(BIN / "openstack"), *words, *([] if plain else ["-f", "json"])],
            env=os.environ | {"OS_CLIENT_CONFIG_FILE": str(self.data / "clouds.yaml"), "OS_CLOUD": "trivet"},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise SystemExit(f"openstack {' '.join(words)} failed:\n{made.stderr}")
        return made.stdout if plain else json.loads(made.stdout)

    def has(self, noun: str, name: str) -> bool:
        found = self.openstack(noun, "list", quiet=True)
        return any(row["Name"] == name for row in found)


def _alive(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text().split()[0]), 0)
    except (OSError, ValueError, IndexError):
        return False
    return True


def make(cloud: Cloud) -> None:
    """Everything by name, and only what is not there yet."""
    guest = str(cloud.build / "guest" / "trivet-guest.qcow2")
    container = str(cloud.build / "container" / "trivet-container.oci.tar")
    steps: list[tuple[str, str, tuple[str, ...]]] = [
        ("image", "guest", ("--disk-format", "qcow2", "--file", guest, "--public", "guest")),
        (
            "image",
            "container",
            ("--container-format", "docker", "--disk-format", "raw", "--file", container, "--public", "container"),
        ),
        ("flavor", "small-vm", ("--vcpus", "1", "--ram", "128", "--disk", "1", "small-vm")),
        ("flavor", "small-container", ("--vcpus", "1", "--ram", "64", "--disk", "1", "small-container")),
        ("network", NETWORK, (NETWORK,)),
        ("subnet", NETWORK, ("--network", NETWORK, "--subnet-range", SUBNET, NETWORK)),
    ]
    for noun, name, words in steps:
        if not cloud.has(noun, name):
            cloud.openstack(noun, "create", *words)
    _allow_ping(cloud)
    for kind in ("vm", "container"):
        image = "guest" if kind == "vm" else "container"
        if not cloud.has("server", f"a-{kind}"):
            cloud.openstack(
                "server", "create", "--image", image, "--flavor", f"small-{kind}", "--network", NETWORK, f"a-{kind}"
            )  # fmt: skip


def _allow_ping(cloud: Cloud) -> None:
    project = cloud.openstack("token", "issue", quiet=True)["project_id"]
    groups = cloud.openstack("security", "group", "list", "--project", project, quiet=True)
    group = next(row["ID"] for row in groups if row["Name"] == "default")
    rules = cloud.openstack("security", "group", "rule", "list", group, quiet=True)
    if not any(row["IP Protocol"] == "icmp" for row in rules):
        cloud.openstack("security", "group", "rule", "create", "--protocol", "icmp", group)


def wait_for(what: str, check: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise SystemExit(f"Gave up waiting for {what}.")
        print(".", end="", flush=True)
        time.sleep(1)
    print(flush=True)


def typed(cloud: Cloud, server: str, command: str, want: str, seconds: float = 30) -> str:
    """Type a command into the server's serial console (a container's is a shell in it) and read the answer."""
    console = cloud.openstack("console", "url", "show", "--serial", server, quiet=True)
    url = urlsplit(console["url"])
    said = b""
    with connect(f"ws://{url.netloc}{url.path}?{url.query}", open_timeout=10) as socket:
        socket.send(b"\r")
        time.sleep(0.5)
        socket.send(command.encode() + b"\r")
        end = time.monotonic() + seconds
        while time.monotonic() < end and want.encode() not in said:
            try:
                data = socket.recv(timeout=1)
            except TimeoutError:
                continue
            except ConnectionClosed:
                break
            said += data if isinstance(data, bytes) else data.encode()
    return said.decode(errors="replace")


def show(cloud: Cloud) -> None:
    for name in ("a-vm", "a-container"):
        say(f"Waiting for {name} to be ACTIVE")
        wait_for(name, partial(_is_active, cloud, name), 120)
    addresses = {kind: _address(cloud, f"a-{kind}") for kind in ("vm", "container")}
    say("Waiting for the VM's guest to be up")
    wait_for(
        "the guest",
        lambda: "GUEST-READY" in cloud.openstack("console", "log", "show", "a-vm", quiet=True, plain=True),
        120,
    )
    for here, there in (("vm", "container"), ("container", "vm")):
        say(f"In a-{here}: ping -c 3 {addresses[there]}   (a-{there})")
        print("\n".join(f"    {line}" for line in pinged(cloud, f"a-{here}", addresses[there])), flush=True)
    move_volume(cloud)


def move_volume(cloud: Cloud) -> None:
    """The same volume by the same calls: in the VM a disk, in the container a folder."""
    if not cloud.has("volume", VOLUME):
        cloud.openstack("volume", "create", "--size", "1", VOLUME)
    _wait_for_volume(cloud, ("available", "in-use"))
    if not _is_in(cloud, "a-container"):
        _write_in_vm(cloud)
        cloud.openstack("server", "add", "volume", "a-container", VOLUME, plain=True)
        _wait_for_volume(cloud, ("in-use",))
    id = cloud.openstack("volume", "show", VOLUME, quiet=True)["id"]
    say(f"In a-container: cat /mnt/{id}/hello")
    for _ in range(6):
        if WRITTEN in typed(cloud, "a-container", f"cat /mnt/{id}/hello", WRITTEN):
            print(f"    {WRITTEN}", flush=True)
            return
    raise SystemExit("The container does not find what the VM wrote.")


def _write_in_vm(cloud: Cloud) -> None:
    if not _is_in(cloud, "a-vm"):
        cloud.openstack("server", "add", "volume", "a-vm", VOLUME, plain=True)
    _wait_for_volume(cloud, ("in-use",))
    id = cloud.openstack("volume", "show", VOLUME, quiet=True)["id"]
    disk = f"/dev/$(grep -l {id[:20]} /sys/block/*/serial | cut -d/ -f4)"
    script = f"d={disk}; mke2fs -q $d && mount $d /mnt && echo {WRITTEN} > /mnt/hello && umount /mnt && echo all-do''ne"
    say(f"In a-vm: mke2fs /dev/vdb; mount /dev/vdb /mnt; echo {WRITTEN} > /mnt/hello; umount /mnt")
    if "all-done" not in (said := typed(cloud, "a-vm", script, "all-done", 60)):
        raise SystemExit(f"The VM could not write to its volume; its console said:\n{said}")
    cloud.openstack("server", "remove", "volume", "a-vm", VOLUME, plain=True)
    _wait_for_volume(cloud, ("available",))


def _is_in(cloud: Cloud, server: str) -> bool:
    id = cloud.openstack("volume", "show", VOLUME, quiet=True)["id"]
    there = cloud.openstack("server", "show", server, quiet=True)["volumes_attached"]
    return any(one["id"] == id for one in there)


def _wait_for_volume(cloud: Cloud, statuses: tuple[str, ...]) -> None:
    def there() -> bool:
        return cloud.openstack("volume", "show", VOLUME, quiet=True)["status"] in statuses

    wait_for(f"the volume to be {' or '.join(statuses)}", there, 120)


def pinged(cloud: Cloud, server: str, address: str) -> list[str]:
    """What ping says in the server; again while a guest is still on its way up."""
    for _ in range(6):
        said = typed(cloud, server, f"ping -c 3 {address}", "packet loss")
        lines = [line.strip() for line in said.splitlines() if "bytes from" in line or "packet loss" in line]
        if any(" 0% packet loss" in line for line in lines):
            return lines
        time.sleep(5)
    raise SystemExit(f"{server} does not reach {address}; its console said:\n{said}")


def _is_active(cloud: Cloud, name: str) -> bool:
    found = cloud.openstack("server", "show", name, quiet=True)
    if found["status"] == "ERROR":
        raise SystemExit(f"{name} is in error: {found.get('fault')}")
    return bool(found["status"] == "ACTIVE")


def _address(cloud: Cloud, name: str) -> str:
    return str(cloud.openstack("server", "show", name, quiet=True)["addresses"][NETWORK][0])


def main() -> int:
    cloud = Cloud(Path(sys.argv[1]).resolve())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cloud.up()
        make(cloud)
        show(cloud)
        print(cloud.openstack("server", "list", plain=True))
        say(f"The API is at http://{LISTEN}. Your own client:")
        where = shutil.which("openstack") or str(BIN / "openstack")
        print(f"    export OS_CLIENT_CONFIG_FILE={cloud.data}/clouds.yaml OS_CLOUD=trivet\n    {where} server list")
        if cloud.process is not None and not os.environ.get("TRIVET_ONCE"):
            say("Ctrl-C stops it")
            cloud.process.wait()
    except KeyboardInterrupt:
        print()
    finally:
        cloud.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
