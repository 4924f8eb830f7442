"""Keys of other services that outlive a token: none is made with one that was revoked elsewhere a moment ago."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.api.compute.server_cloud import Cloud
from tests.api.one_service import MINE, ask

from trivet.api.compute.service import SERVICE as COMPUTE
from trivet.api.host_link.service import SERVICE as AGENT
from trivet.api.kit.app import App
from trivet.domain.identity.tokens.revocations import REVOCATIONS, Revocation


@pytest_asyncio.fixture
async def cloud(database: str) -> AsyncIterator[Cloud]:
    async with Cloud(database) as made:
        made.app = App(made.parts, [COMPUTE, AGENT])
        yield made


async def revoke_elsewhere(cloud: Cloud) -> None:
    """As another process does: this one reads it in the log, half a second later."""
    async with cloud.store.write() as tx:
        row = Revocation(id=tx.ids.hex(), what="project", target=MINE, cutoff=tx.clock.now())
        await tx.run(REVOCATIONS.sql_insert, *REVOCATIONS.to_row(row))


async def test_no_host_credential(cloud: Cloud) -> None:
    headers = {"x-auth-token": cloud.token("admin")}
    assert (await ask(cloud.app, "POST", "/v1/agent/credentials", {"host": "a"}, headers=headers)).status == 201
    await revoke_elsewhere(cloud)
    assert (await ask(cloud.app, "GET", "/v1/agent/credentials", headers=headers)).status == 200, "not heard yet"
    assert (await ask(cloud.app, "POST", "/v1/agent/credentials", {"host": "b"}, headers=headers)).status == 401


async def test_no_console(cloud: Cloud) -> None:
    id = await cloud.made()
    wanted = {"remote_console": {"protocol": "serial", "type": "serial"}}
    assert (await cloud.call("POST", f"/servers/{id}/remote-consoles", wanted)).status == 200
    await revoke_elsewhere(cloud)
    assert (await cloud.call("GET", f"/servers/{id}")).status == 200, "not heard yet"
    assert (await cloud.call("POST", f"/servers/{id}/remote-consoles", wanted)).status == 401
