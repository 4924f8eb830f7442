"""trivet lab: several real hosts on this machine, to see what one alone cannot show."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivet.cli.cloud_client import CloudClient
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from trivet.lab.lab import Lab

_WATCHED_S = 120.0
_HOSTS_MOST = 200


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "lab",
        help="run several real hosts on this machine",
        description="Several hosts on this machine (as root), each with spaces of its own for its network, files and "
        "processes, its own switch and engines. h1 has the cloud; the others join it. Power is really cut: every "
        "process of that host dies at once.",
    )
    parser.add_argument(
        "--data", metavar="DIR", type=Path, default=Path("lab"), help="Where the hosts' disks are. [lab]"
    )
    acts = parser.add_subparsers(title="acts", metavar="ACT", dest="act", required=True)
    up = acts.add_parser("up", help="give hosts power, and wait until they are there")
    up.add_argument("--hosts", metavar="N", type=int, default=3, help="How many, h1 among them. [3]")
    acts.add_parser("status", help="say which hosts have power")
    for act, sentence in (("off", "pull a host's plug"), ("on", "give a host its power back")):
        acts.add_parser(act, help=sentence).add_argument("host", metavar="HOST", help="Such as h2.")
    shell = acts.add_parser("run", help="run a command in a host")
    shell.add_argument("host", metavar="HOST", help="Such as h2.")
    shell.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="What to run there.")
    cable = acts.add_parser("cable", help="cut or mend a host's cable")
    cable.add_argument("host", metavar="HOST", help="Such as h2.")
    cable.add_argument("network", choices=("mgmt", "tenant"), help="Of which network.")
    cable.add_argument("state", choices=("cut", "mend"), help="What happens to it.")
    fail = acts.add_parser("failover", help="pull a host's plug, and show what follows")
    fail.add_argument("host", metavar="HOST", help="Such as h2; not h1, which has the cloud.")
    acts.add_parser("down", help="shut all hosts down; their disks stay")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    from trivet.lab.lab import Lab  # noqa: PLC0415 - `trivet --help` need not wait for it

    lab = Lab(chosen.data)
    number = _number(chosen.host) if "host" in chosen else 0
    match chosen.act:
        case "up":
            began = time.monotonic()
            lab.up(chosen.hosts, lambda words: print(f"{time.monotonic() - began:5.1f} s  {words}", flush=True))
            _tell_of_bmcs(lab)
            print(f"{time.monotonic() - began:5.1f} s  All are there: export OS_CLIENT_CONFIG_FILE={lab.clouds_yaml}")
        case "status":
            for host in lab.hosts():
                print(f"{host.name}  {host.address}  {'on' if host.pid() else 'off'}")
        case "off":
            lab.host(number).power_off()
        case "on":
            lab.power_on(number)
        case "run":
            ended = lab.host(number).run(*chosen.command)
            print(ended.stdout + ended.stderr, end="")
            return ended.returncode
        case "cable":
            lab.fabric.set_cable(number, chosen.network, up=chosen.state == "mend")
        case "failover":
            _fail_over(lab, number)
        case "down":
            lab.down(print)
    return 0


def _tell_of_bmcs(lab: "Lab") -> None:
    """The cloud learns how to cut its hosts' power."""
    cloud = CloudClient(lab.clouds_yaml)
    for host in lab.hosts():
        cloud.put(f"/v1/hosts/{host.name}/bmc", {"bmc": lab.bmcs.access(host.number)})


def _fail_over(lab: "Lab", number: int) -> None:
    """Pulls the plug, and says each thing when the cloud says it: noticed, told, fenced, brought back."""
    if number == 1:
        raise Invalid("lab.host", "h1 has the cloud, so nobody would be there to show anything: take another one.")
    cloud, name = CloudClient(lab.clouds_yaml), f"h{number}"
    cloud.get(f"/v1/hosts/{name}/health")
    began, said = time.monotonic(), set[str]()
    lab.host(number).power_off()

    def say(words: str) -> None:
        if words not in said:
            said.add(words)
            print(f"{time.monotonic() - began:6.2f} s  {words}", flush=True)

    say(f"{name} has no power any more")
    done = False
    while not done and time.monotonic() - began < _WATCHED_S:
        done = _told(cloud, name, say)
        time.sleep(0.05)
    say("All is done." if done else "It takes longer; see GET /v1/hosts/{host}/health and /v1/alarms.")


def _told(cloud: CloudClient, name: str, say: "Callable[[str], None]") -> bool:
    """What the cloud says now; whether there is nothing left to wait for."""
    health = cloud.get(f"/v1/hosts/{name}/health")["health"]
    failures: list[dict[str, Any]] = health["failures"]
    failure = failures[0] if failures else {}
    if failure.get("ended_at") is None:
        for step in ("suspected", "confirmed", "fenced", "recovered"):
            if failure.get(f"{step}_at"):
                say(f"{name} is {step}")
    alarms = cloud.get("/v1/alarms?open=true")["alarms"]
    for alarm in alarms:
        thing = alarm["managed_object"]
        say(f"told: {alarm['probable_cause']}, {thing['type']} {thing['name']}")
    waiting = 0
    for server in cloud.get("/compute/v2.1/servers/detail?all_tenants=1")["servers"]:
        host, status = server["OS-EXT-SRV-ATTR:host"], server["status"]
        waiting += host == name or status not in ("ACTIVE", "SHUTOFF", "ERROR")
        say(f"server {server['name']} is {status} on {host}")
    return bool(failure.get("recovered_at")) and not waiting


def _number(host: str) -> int:
    number = whole_number(host.removeprefix("h")) if host.startswith("h") else None
    if number is None or not 1 <= number <= _HOSTS_MOST:
        raise Invalid("lab.host", f"A host of the lab is called h1, h2 and so on: not {host!r}.")
    return number
