"""Metal light: a rack comes up, two physical machines are enrolled and inspected, and one becomes a server by the same
`openstack server create` as a VM and a container, all three on one network. Then it is deleted, and erased.

The machines are QEMU with UEFI behind Redfish controllers, emulated by this machine's processor: each boot of the
deploy ramdisk takes a minute where nothing else runs. Ctrl-C stops it and cleans up.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import first_light
from first_light import Cloud, say, wait_for

from trivet.lab.rack import Machine, Rack, metal_image, missing
from trivet.lab.rack_engine import Engine

_BOOT_S = 1800.0
_BEGAN = time.monotonic()


def told(sentence: str) -> None:
    say(f"{time.monotonic() - _BEGAN:6.1f} s  {sentence}")


def main() -> int:
    build = Path(sys.argv[1]).resolve()
    emulator = build / "rack" / "bin" / "sushy-emulator"
    if lacks := missing(emulator):
        raise SystemExit("A rack cannot stand here; missing: " + ", ".join(lacks))
    rack = Rack(build.parent / "rack", "rk", emulator)
    engine = Engine(rack, build / "ironic" / "bin", build / "ramdisk-virtual")
    os.environ |= engine.settings
    cloud = Cloud(build)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        machines = rack.up(2)
        told(f"A switch and {len(machines)} machines have power; they are off")
        engine.up()
        told(f"The engine answers at {engine.url}")
        cloud.up()
        enrol(engine, machines)
        first_light.make(cloud)
        serve(cloud, engine, build)
        if not os.environ.get("TRIVET_ONCE") and cloud.process is not None:
            say("Ctrl-C stops it")
            cloud.process.wait()
    except KeyboardInterrupt:
        print()
    finally:
        cloud.down()
        engine.down()
        rack.down()
    return 0


def enrol(engine: Engine, machines: list[Machine]) -> None:
    nodes = [engine.enrol(machine) for machine in machines]
    for act, state in (("manage", "manageable"), ("inspect", "manageable"), ("provide", "available")):
        if act != "manage":
            for node in nodes:
                engine.to(node, act)
        for node, machine in zip(nodes, machines, strict=True):
            told(f"{machine.name}: {act}")
            for step in engine.wait_for(node, state, _BOOT_S):
                told(f"{machine.name}: {step}")
            told(f"{machine.name}: {state}")


def serve(cloud: Cloud, engine: Engine, build: Path) -> None:
    image = build / "guest" / "trivet-guest-metal.qcow2"
    if not image.exists():
        metal_image(build / "guest" / "trivet-guest.qcow2", image)
    steps: list[tuple[str, str, tuple[str, ...]]] = [
        ("image", "metal-guest", ("--disk-format", "qcow2", "--file", str(image), "--public", "metal-guest")),
        (
            "flavor",
            "metal",
            ("--vcpus", "2", "--ram", "1024", "--disk", "1", "--property", "trivet:kind=metal", "metal"),
        ),
    ]
    for noun, name, words in steps:
        if not cloud.has(noun, name):
            cloud.openstack(noun, "create", *words)
    network = first_light.NETWORK
    cloud.openstack(
        "server", "create", "--image", "metal-guest", "--flavor", "metal", "--network", network, "a-metal"
    )  # fmt: skip
    follow(cloud, engine)
    address = str(server(cloud)["addresses"][network][0])
    told(f"In a-container and a-vm: ping {address}")
    for name in ("a-container", "a-vm"):
        wait_for(f"{name} to reach the machine", lambda name=name: reaches(cloud, name, address), _BOOT_S)
        told(f"{name} reaches a-metal")
    print(cloud.openstack("server", "list", plain=True))
    cloud.openstack("server", "delete", "a-metal", plain=True)
    follow(cloud, engine)
    told("The machine is erased, parked, and free for the next")


def reaches(cloud: Cloud, name: str, address: str) -> bool:
    return "bytes from" in first_light.typed(cloud, name, f"ping -c 1 {address}", "packet loss")


def server(cloud: Cloud) -> Any:
    return cloud.openstack("server", "show", "a-metal", quiet=True)


def follow(cloud: Cloud, engine: Engine) -> None:
    """Until it is there or gone, with what Ironic does meanwhile and in which VLAN the machine is."""
    last, end = "", time.monotonic() + _BOOT_S
    while cloud.has("server", "a-metal"):
        found = server(cloud)
        nodes = engine.call("GET", "/v1/nodes?detail=True")["nodes"]
        node = next((each for each in nodes if each["instance_uuid"] == found["id"]), None)
        now = found["status"] if node is None else f"{found['status']}: {node['name']} is {node['provision_state']}"
        if node is not None:
            vlan = subprocess.run(
                ["ovs-vsctl", f"--db={engine.rack.switch}", "get", "port", f"{node['name']}p0", "tag"],
                check=True,
                capture_output=True,
                text=True,
            )
            now += f", {node['power_state']}, in VLAN {vlan.stdout.strip()}"
        if now != last:
            told(now)
        last = now
        if found["status"] == "ACTIVE" and not found["OS-EXT-STS:task_state"]:
            return
        if found["status"] == "ERROR" or time.monotonic() > end:
            raise SystemExit(f"a-metal: {found['status']} {found.get('fault')}")
        time.sleep(2)


if __name__ == "__main__":
    sys.exit(main())
