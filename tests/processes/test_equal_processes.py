"""Every process is equal: any may die at any moment, and nothing but the request in flight notices."""

import random
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.processes.cluster import Client
from tests.processes.conftest import Cluster
from tests.processes.consoles import console_token, speaks
from tests.programs import PATIENCE_S, until

pytestmark = pytest.mark.postgres

SERVERS = 60
DEATHS = 8


def image_and_flavor(client: Client) -> tuple[str, str]:
    status, image, _ = client.call(
        "POST", "/image/v2/images", {"name": "tiny", "disk_format": "raw", "container_format": "bare"}
    )
    assert status == 201, image
    # The rows are all that a simulated host needs of an image.
    return image["id"], "42"


def upload(client: Client, image_id: str) -> None:
    request = urllib.request.Request(
        f"{client.url}/image/v2/images/{image_id}/file",
        b"\0" * 65536,
        {"X-Auth-Token": client.token, "Content-Type": "application/octet-stream"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        assert reply.status == 204


def create(client: Client, image: str, flavor: str, name: str) -> str:
    body = {"server": {"name": name, "imageRef": image, "flavorRef": flavor, "networks": "none"}}
    status, made, _ = client.call("POST", "/compute/v2.1/servers", body)
    assert status == 202, made
    id: str = made["server"]["id"]
    return id


def test_clients_notice_nothing_but_a_broken_connection_while_processes_are_killed(
    cluster: Cluster, chance: random.Random
) -> None:
    """HA-03: creates, lists and deletes through the balancer, eight kill -9 meanwhile."""
    image, flavor = image_and_flavor(cluster.client())
    upload(cluster.client(cluster.members[0].url), image)
    clients = [cluster.client() for _ in range(3)]
    made: dict[str, str] = {}
    done = threading.Event()

    def work(number: int) -> None:
        client = clients[number]
        for index in range(SERVERS // 3):
            name = f"s{number}-{index}"
            id = create(client, image, flavor, name)
            made[id] = name
            status, listed, _ = client.call("GET", "/compute/v2.1/servers?limit=1000")
            assert status == 200 and id in {row["id"] for row in listed["servers"]}, f"list gave {status} without {id}"
            if index % 2:
                status, body, _ = client.call("DELETE", f"/compute/v2.1/servers/{id}")
                # A first try may have been carried out before its connection broke.
                assert status in (204, 404), body

    def kill_now_and_then() -> None:
        for _ in range(DEATHS):
            if done.wait(chance.uniform(0.3, 1.0)):
                break
            chance.choice(cluster.members).kill()
            cluster.revive()

    with ThreadPoolExecutor(4) as threads:
        killing = threads.submit(kill_now_and_then)
        try:
            for working in [threads.submit(work, number) for number in range(3)]:
                working.result()
        finally:
            done.set()
        killing.result()
    client = cluster.client()

    def unsettled() -> list[Any]:
        listed = client.call("GET", "/compute/v2.1/servers/detail?limit=1000")[1]["servers"]
        return [(row["id"], row["status"], row.get("fault")) for row in listed if row["status"] != "ACTIVE"]

    until("every server that is left becomes ACTIVE", lambda: not unsettled(), unsettled)
    listed = client.call("GET", "/compute/v2.1/servers/detail?limit=1000")[1]["servers"]
    # What a connection that broke left without an answer may be there a second time, and for each there was a retry.
    twins = [row["name"] for row in listed if row["id"] not in made]
    assert set(twins) <= set(made.values()) and len(twins) <= sum(client.retries for client in clients)
    assert_no_claim_without_its_owner(client, listed)


def assert_no_claim_without_its_owner(client: Client, servers: list[dict[str, Any]]) -> None:
    providers = client.call("GET", "/placement/resource_providers")[1]["resource_providers"]
    owners: set[str] = set()
    for provider in providers:
        owners |= set(
            client.call("GET", f"/placement/resource_providers/{provider['uuid']}/allocations")[1]["allocations"]
        )
    assert owners == {row["id"] for row in servers}


def test_a_console_token_of_one_process_opens_through_another_and_outlives_its_maker(cluster: Cluster) -> None:
    """HA-10, HA-11."""
    first, second = cluster.members[0], cluster.members[1]
    client = cluster.client(first.url)
    image, flavor = image_and_flavor(client)
    upload(client, image)
    id = create(client, image, flavor, "talker")
    until("ACTIVE", lambda: client.call("GET", f"/compute/v2.1/servers/{id}")[1]["server"]["status"] == "ACTIVE")
    token = console_token(client, id)
    until("it opens through its maker", lambda: speaks(first.url, token, "by-its-maker"))
    until("it opens through another", lambda: speaks(second.url, token, "by-another"))
    first.kill()
    until("the same token reconnects through the second", lambda: speaks(second.url, token, "after-the-maker"))
    status, _, _ = cluster.client(second.url).call("DELETE", f"/compute/v2.1/servers/{id}")
    assert status == 204
    until("a deleted server's token opens nothing", lambda: not speaks(second.url, token, "nobody"))


def test_a_revocation_reaches_every_process(cluster: Cluster) -> None:
    client = cluster.client(cluster.members[0].url)
    token = client.token
    others = [Client(member.url) for member in cluster.members]
    for other in others:
        other.token = token
        assert other.call("GET", "/compute/v2.1/servers")[0] == 200
    by = cluster.client(cluster.members[0].url)
    request = urllib.request.Request(
        f"{by.url}/identity/v3/auth/tokens",
        headers={"X-Auth-Token": by.token, "X-Subject-Token": token},
        method="DELETE",
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        assert reply.status == 204
    until("401 everywhere", lambda: all(other.call("GET", "/compute/v2.1/servers")[0] == 401 for other in others))
    assert by.call("GET", "/compute/v2.1/servers")[0] == 200


def test_a_limit_counts_from_the_next_call_on_every_process(cluster: Cluster) -> None:
    client = cluster.client(cluster.members[0].url)
    image, flavor = image_and_flavor(client)
    upload(client, image)
    project = client.call("GET", "/identity/v3/projects?name=admin")[1]["projects"][0]["id"]
    body = {"quota_set": {"instances": 1}}
    assert client.call("PUT", f"/compute/v2.1/os-quota-sets/{project}", body)[0] == 200
    create(cluster.client(cluster.members[1].url), image, flavor, "one")
    wanted = {"server": {"name": "two", "imageRef": image, "flavorRef": flavor, "networks": "none"}}
    status, told, _ = cluster.client(cluster.members[2].url).call("POST", "/compute/v2.1/servers", wanted)
    assert status == 403 and "Quota exceeded" in told["forbidden"]["message"]
