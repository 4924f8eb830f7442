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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import first_light
from first_light import Cloud, say, wait_for

from trivet.lab.enrolment import node, ports, settings
from trivet.lab.rack import Machine, Rack, metal_image, missing

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
    told_to_cloud = settings(rack, build / "ramdisk-virtual")
    os.environ |= told_to_cloud
    cloud = Cloud(build)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        machines = rack.up(2)
        told(f"A switch and {len(machines)} machines have power; they are off")
        cloud.up()
        for name, value in told_to_cloud.items():
            print(f"    {name}={value}")
        wait_for("the engine to answer", lambda: knows(cloud, "driver"), 120)
        told("The engine answers behind the cloud's API")
        enrol(cloud, rack, machines)
        first_light.make(cloud)
        serve(cloud, rack, build)
        if not os.environ.get("TRIVET_ONCE") and cloud.process is not None:
            say("Ctrl-C stops it")
            cloud.process.wait()
    except KeyboardInterrupt:
        print()
    finally:
        cloud.down()
        rack.down()
    return 0


def knows(cloud: Cloud, noun: str) -> bool:
    try:
        return bool(cloud.openstack("baremetal", noun, "list", quiet=True))
    except SystemExit:
        return False


def enrol(cloud: Cloud, rack: Rack, machines: list[Machine]) -> None:
    known = {each["name"] for each in cloud.openstack("baremetal", "node", "list", quiet=True)}
    for machine in machines:
        if machine.name not in known:
            make(cloud, rack, machine)
    for act, state in (("manage", "manageable"), ("inspect", "manageable"), ("provide", "available")):
        for machine in machines:
            cloud.openstack("baremetal", "node", act, machine.name, plain=True)
        for machine in machines:
            for step in come_to(cloud, machine, state):
                told(f"{machine.name}: {step}")


def make(cloud: Cloud, rack: Rack, machine: Machine) -> None:
    said = node(rack, machine)
    words = [f"--{name.replace('_', '-')}={value}" for name, value in said.items() if isinstance(value, str)]
    words += [f"--driver-info={name}={value}" for name, value in said["driver_info"].items()]
    words += [f"--property={name}={value}" for name, value in said["properties"].items()]
    made = cloud.openstack("baremetal", "node", "create", *words)
    for port in ports(rack, machine):
        link = [f"--local-link-connection={name}={value}" for name, value in port["local_link_connection"].items()]
        boots, fabric = f"--pxe-enabled={port['pxe_enabled']}", f"--physical-network={port['physical_network']}"
        words = [f"--node={made['uuid']}", boots, fabric, *link, port["address"]]
        cloud.openstack("baremetal", "port", "create", *words, plain=True)


def come_to(cloud: Cloud, machine: Machine, state: str) -> Iterator[str]:
    """Every state on the way; an end to it all if it stops elsewhere."""
    last, end = "", time.monotonic() + _BOOT_S
    while last != state:
        found = shown(cloud, machine.name)
        now = str(found["provision_state"])
        if now != last:
            yield now
        last = now
        if now.endswith("failed") or now == "error" or time.monotonic() > end:
            raise SystemExit(f"{machine.name} is {now}: {found['last_error']}")


def shown(cloud: Cloud, name: str) -> Any:
    return cloud.openstack("baremetal", "node", "show", name, quiet=True)


def serve(cloud: Cloud, rack: Rack, build: Path) -> None:
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
    follow(cloud, rack)
    address = str(server(cloud)["addresses"][network][0])
    told(f"In a-container and a-vm: ping {address}")
    for name in ("a-container", "a-vm"):
        wait_for(f"{name} to reach the machine", lambda name=name: reaches(cloud, name, address), _BOOT_S)
        told(f"{name} reaches a-metal")
    print(cloud.openstack("server", "list", plain=True))
    cloud.openstack("server", "delete", "a-metal", plain=True)
    follow(cloud, rack)
    told("The machine is erased, parked, and free for the next")


def reaches(cloud: Cloud, name: str, address: str) -> bool:
    return "bytes from" in first_light.typed(cloud, name, f"ping -c 1 {address}", "packet loss")


def server(cloud: Cloud) -> Any:
    return cloud.openstack("server", "show", "a-metal", quiet=True)


def follow(cloud: Cloud, rack: Rack) -> None:
    """Until it is there or gone, with what Ironic does meanwhile and in which VLAN the machine is."""
    last, end = "", time.monotonic() + _BOOT_S
    while cloud.has("server", "a-metal"):
        found = server(cloud)
        machines = cloud.openstack("baremetal", "node", "list", quiet=True)
        machine = next((each for each in machines if each["instance_uuid"] == found["id"]), None)
        now = str(found["status"])
        if machine is not None:
            vlan = subprocess.run(
                ["ovs-vsctl", f"--db={rack.switch}", "get", "port", f"{machine['name']}p0", "tag"],
                check=True,
                capture_output=True,
                text=True,
            )
            now += f": {machine['name']} is {machine['provision_state']}, {machine['power_state']}"
            now += f", in VLAN {vlan.stdout.strip()}"
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
