"""First light: a VM and a container from the same command, on one network, and what a tenant does with them.

All of it through the stock client and the cloud's own consoles, against real engines.
"""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.contract.conftest import RealCloud
from tests.contract.keyboard import type_into
from tests.programs import until

pytestmark = [pytest.mark.contract, pytest.mark.dataplane]

KINDS = ("vm", "container")


@pytest.fixture(scope="module")
def pair(cloud: RealCloud) -> Iterator[dict[str, str]]:
    """kind -> address, of two servers that differ in nothing but the image."""
    cloud.openstack("network", "create", "light")
    cloud.openstack("subnet", "create", "--network", "light", "--subnet-range", "10.5.0.0/24", "light")
    for kind, image in zip(KINDS, ("guest", "container"), strict=True):
        cloud.openstack("server", "create", "--image", image, "--flavor", "t.small", "--network", "light", f"a-{kind}")
    found = {kind: cloud.wait_for(f"a-{kind}", "ACTIVE")["addresses"]["light"][0] for kind in KINDS}
    _wait_for_guest(cloud, "a-vm")
    yield found
    for kind in KINDS:
        cloud.openstack("server", "delete", "--wait", f"a-{kind}", table=True)


def _wait_for_guest(cloud: RealCloud, server: str, times: int = 1) -> None:
    def log() -> str:
        return str(cloud.openstack("console", "log", "show", server, table=True))

    until("the guest is ready", lambda: log().count("GUEST-READY") >= times, log, pause_s=1, patience_s=400)


def _typed(cloud: RealCloud, server: str, command: str) -> str:
    url = cloud.openstack("console", "url", "show", "--serial", server)["url"]
    return type_into(url, command, "END-OF-IT")


def _each_ping_is_answered(cloud: RealCloud, server: str, address: str) -> None:
    """Once the two have found each other."""
    said: list[str] = []

    def answered() -> bool:
        said.append(_typed(cloud, server, f"ping -c 3 {address}"))
        return " 0% packet loss" in said[-1]

    until("each ping is answered", answered, lambda: said[-1])


def test_both_kinds_are_listed_alike(cloud: RealCloud, pair: dict[str, str]) -> None:
    rows = {row["Name"]: row for row in cloud.openstack("server", "list")}
    assert {rows[f"a-{kind}"]["Status"] for kind in KINDS} == {"ACTIVE"}


@pytest.mark.parametrize(("here", "there"), [KINDS, KINDS[::-1]])
def test_each_pings_the_other(cloud: RealCloud, pair: dict[str, str], here: str, there: str) -> None:
    _each_ping_is_answered(cloud, f"a-{here}", pair[there])


def test_the_vm_took_its_address_by_dhcp_and_its_name_from_the_metadata(cloud: RealCloud, pair: dict[str, str]) -> None:
    log = cloud.openstack("console", "log", "show", "a-vm", table=True)
    assert f"DHCP-LEASE eth0 {pair['vm']}" in log
    assert "source=http" in log and "hostname=a-vm" in log


def test_the_container_reads_the_same_metadata_as_the_vm(cloud: RealCloud, pair: dict[str, str]) -> None:
    url = "http://169.254.169.254/openstack/latest/meta_data.json"
    for kind in KINDS:
        said = _typed(cloud, f"a-{kind}", f"wget -q -O - {url}")
        found = json.loads(said[said.index('{"') : said.rindex("}") + 1])
        assert found["name"] == f"a-{kind}"


def test_tcp_works_between_the_kinds(cloud: RealCloud, pair: dict[str, str]) -> None:
    assert "hello from" in _typed(cloud, "a-vm", f"timeout 60 wget -q -O - http://{pair['container']}/")
    assert "hello from" in _typed(cloud, "a-container", f"timeout 60 wget -q -O - http://{pair['vm']}/")


@pytest.mark.parametrize("kind", KINDS)
def test_stop_and_start_give_the_same_states(cloud: RealCloud, pair: dict[str, str], kind: str) -> None:
    cloud.openstack("server", "stop", f"a-{kind}", table=True)
    cloud.wait_for(f"a-{kind}", "SHUTOFF")
    cloud.openstack("server", "start", f"a-{kind}", table=True)
    cloud.wait_for(f"a-{kind}", "ACTIVE")
    if kind == "vm":
        _wait_for_guest(cloud, "a-vm", times=2)
    events = cloud.openstack("server", "event", "list", f"a-{kind}")
    assert {"create", "stop", "start"} <= {event["Action"] for event in events}


@pytest.mark.parametrize("kind", KINDS)
def test_pause_is_a_state_of_both_kinds(cloud: RealCloud, pair: dict[str, str], kind: str) -> None:
    cloud.openstack("server", "pause", f"a-{kind}", table=True)
    cloud.wait_for(f"a-{kind}", "PAUSED")
    cloud.openstack("server", "unpause", f"a-{kind}", table=True)
    cloud.wait_for(f"a-{kind}", "ACTIVE")


def test_what_a_kind_cannot_do_is_refused_with_the_reason(cloud: RealCloud, pair: dict[str, str]) -> None:
    made = cloud.tried("server", "suspend", "a-container")
    assert made.returncode != 0
    assert "not applicable to a container" in made.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_floating_ip_leads_in_from_outside_and_only_as_far_as_the_rules_say(
    cloud: RealCloud, pair: dict[str, str], kind: str
) -> None:
    if "r" not in {row["Name"] for row in cloud.openstack("router", "list")}:
        cloud.openstack("router", "create", "--external-gateway", "public", "r")
        cloud.openstack("router", "add", "subnet", "r", "light", table=True)
    address = cloud.openstack("floating", "ip", "create", "public")["floating_ip_address"]
    cloud.openstack("server", "add", "floating", "ip", f"a-{kind}", address, table=True)
    assert not _answers(address), "the default group lets nothing in"
    project = cloud.openstack("token", "issue")["project_id"]
    groups = cloud.openstack("security", "group", "list", "--project", project)
    group = next(row["ID"] for row in groups if row["Name"] == "default")
    rule = cloud.openstack("security", "group", "rule", "create", "--protocol", "icmp", group)["id"]
    until("a rule lets pings in", lambda: _answers(address))
    cloud.openstack("security", "group", "rule", "delete", rule, table=True)
    until("without the rule they stay out again", lambda: not _answers(address))
    cloud.openstack("floating", "ip", "delete", address, table=True)


def _answers(address: str) -> bool:
    return subprocess.run(["ping", "-c", "1", "-W", "1", address], capture_output=True, check=False).returncode == 0


def test_a_token_is_good_for_its_console_only_as_long_as_the_server_is_there(
    cloud: RealCloud, pair: dict[str, str]
) -> None:
    url = cloud.openstack("console", "url", "show", "--serial", "a-container")["url"]
    assert "it-lives" in type_into(url, "echo it''-lives", "it-lives")
    assert "it-lives" not in type_into(url + "x", "echo it''-lives", "it-lives", seconds=3)


def test_a_killed_cloud_comes_back_and_its_servers_never_noticed(cloud: RealCloud, pair: dict[str, str]) -> None:
    boots = cloud.openstack("console", "log", "show", "a-vm", table=True).count("GUEST-READY")
    _typed(cloud, "a-container", "echo remembered > /tmp/mark")
    cloud.kill()
    cloud.start()
    # The dead process's lease on its host has to end first; until then its consoles answer 503.
    until("the host's consoles", lambda: cloud.tried("console", "log", "show", "a-vm").returncode == 0)
    assert cloud.openstack("console", "log", "show", "a-vm", table=True).count("GUEST-READY") == boots
    assert "remembered" in _typed(cloud, "a-container", "cat /tmp/mark")
    _each_ping_is_answered(cloud, "a-container", pair["vm"])
    assert "hostname" in _typed(cloud, "a-vm", "timeout 60 wget -q -O - http://169.254.169.254/latest/meta-data/")
