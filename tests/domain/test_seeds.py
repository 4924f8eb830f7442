"""A service that a cloud did not have is brought to it at the next start; what was taken away stays away."""

from tests.api.identity.identity_cloud import Cloud

from trivet.domain import seeds
from trivet.domain.limits.limits import REGISTERED_LIMITS
from trivet.domain.seeds import Offer
from trivet.process import offers, services
from trivet.settings import Settings
from trivet.store.store import transact
from trivet.store.tx import Tx

NEWER = Offer("dns", "designate", "/dns", limits={"zones": 10})


async def start(cloud: Cloud, *more: Offer) -> bool:
    async def act(tx: Tx) -> bool:
        return await seeds.start(tx, cloud.parts, "no password", [*offers(services()), *more])

    return await transact(cloud.store, act)


async def types(cloud: Cloud) -> set[str]:
    return {entry["type"] for entry in (await cloud.get("/identity/v3/services")).body["services"]}


async def test_a_newer_program_brings_its_service_and_its_limits_to_a_cloud_that_exists() -> None:
    async with Cloud(Settings()) as cloud:
        assert "dns" not in await types(cloud)
        assert not await start(cloud, NEWER)
        assert "dns" in await types(cloud)
        endpoints = (await cloud.get("/identity/v3/endpoints")).body["endpoints"]
        assert {e["interface"] for e in endpoints if e["url"].endswith("/dns")} == {"public", "internal", "admin"}
        registered = (await cloud.get("/identity/v3/registered_limits")).body["registered_limits"]
        assert [limit["default_limit"] for limit in registered if limit["resource_name"] == "zones"] == [10]


async def test_what_an_operator_took_away_is_not_brought_again() -> None:
    async with Cloud(Settings()) as cloud:
        found = (await cloud.get("/identity/v3/services", query={"type": "placement"})).body["services"][0]
        assert (await cloud.call("DELETE", f"/identity/v3/services/{found['id']}")).status == 204
        async with cloud.store.write() as tx:
            limit = await tx.find(REGISTERED_LIMITS, "resource_name = 'qos-policy'")
            assert limit is not None
            await tx.run("DELETE FROM limits WHERE registered_limit_id = ?", limit.id)
            await tx.delete(REGISTERED_LIMITS, limit)
        await start(cloud)
        assert "placement" not in await types(cloud)
        registered = (await cloud.get("/identity/v3/registered_limits")).body["registered_limits"]
        assert "qos-policy" not in {limit["resource_name"] for limit in registered}
