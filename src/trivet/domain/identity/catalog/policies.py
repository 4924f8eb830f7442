"""Policies: texts that services once fetched to know their rules, and which endpoint each is for.

This cloud enforces none of them; it keeps them for clients that do.
"""

from typing import Any

import msgspec

from trivet.domain.identity.catalog import endpoints, regions, services
from trivet.domain.identity.catalog.endpoints import ENDPOINTS
from trivet.domain.row_locks import hold
from trivet.errors import NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class Policy(Record, frozen=True, kw_only=True):
    type: str
    blob: str
    extra: dict[str, Any] = {}


POLICIES = Table("policies", Policy)


class Target(msgspec.Struct, frozen=True):
    """An endpoint; or a service, everywhere or in one region. What does not apply is empty."""

    endpoint_id: str = ""
    service_id: str = ""
    region_id: str = ""


async def need(tx: Tx, id: str) -> Policy:
    found = await tx.get(POLICIES, id)
    if found is None:
        raise NotFound("policy.absent", f"Could not find policy: {id[:64]}.")
    return found


async def _check(tx: Tx, policy_id: str, target: Target) -> None:
    await need(tx, policy_id)
    if target.endpoint_id:
        await endpoints.need(tx, target.endpoint_id)
    if target.service_id:
        await services.need(tx, target.service_id)
    if target.region_id:
        await regions.need(tx, target.region_id)


def _absent() -> NotFound:
    return NotFound("policy.no_association", "Could not find policy association.")


async def associate(tx: Tx, policy_id: str, target: Target) -> None:
    """One policy a target: a later one takes its place."""
    await _check(tx, policy_id, target)
    if target.endpoint_id:
        await hold(tx, ENDPOINTS, target.endpoint_id)
    if target.service_id:
        await hold(tx, services.SERVICES, target.service_id)
    if target.region_id:
        await hold(tx, regions.REGIONS, target.region_id)
    await tx.run(
        "INSERT INTO policy_associations (policy_id, endpoint_id, service_id, region_id) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (endpoint_id, service_id, region_id) DO UPDATE SET policy_id = excluded.policy_id",
        policy_id,
        target.endpoint_id,
        target.service_id,
        target.region_id,
    )


_SQL_TARGET = "endpoint_id = ? AND service_id = ? AND region_id = ?"


async def check(tx: Tx, policy_id: str, target: Target) -> None:
    await _check(tx, policy_id, target)
    if await _policy_id(tx, target) != policy_id:
        raise _absent()


async def dissociate(tx: Tx, policy_id: str, target: Target) -> None:
    """One that is not there is gone already; what it is about must be there."""
    await _check(tx, policy_id, target)
    if await _policy_id(tx, target) != policy_id:
        return
    sql = f"DELETE FROM policy_associations WHERE {_SQL_TARGET}"
    await tx.run(sql, target.endpoint_id, target.service_id, target.region_id)


async def _policy_id(tx: Tx, target: Target) -> str | None:
    sql = f"SELECT policy_id FROM policy_associations WHERE {_SQL_TARGET}"
    row = await tx.row(sql, target.endpoint_id, target.service_id, target.region_id)
    return str(row[0]) if row is not None else None


async def of_endpoint(tx: Tx, endpoint_id: str) -> Policy:
    """The nearest: of the endpoint itself, of its service in its region or one above that, of its service."""
    endpoint = await endpoints.need(tx, endpoint_id)
    targets = [Target(endpoint_id=endpoint_id)]
    region_id = endpoint.region_id
    while region_id is not None:
        targets.append(Target(service_id=endpoint.service_id, region_id=region_id))
        region_id = (await regions.need(tx, region_id)).parent_id
    targets.append(Target(service_id=endpoint.service_id))
    for target in targets:
        policy_id = await _policy_id(tx, target)
        if policy_id is not None:
            return await need(tx, policy_id)
    raise NotFound("policy.no_association", f"No policy is associated with endpoint {endpoint_id}.")


async def endpoints_of(tx: Tx, policy_id: str) -> Where:
    """The endpoints for which this policy is the nearest."""
    await need(tx, policy_id)
    found = []
    for endpoint in await tx.select(ENDPOINTS, order="id"):
        try:
            nearest = await of_endpoint(tx, endpoint.id)
        except NotFound:
            continue
        if nearest.id == policy_id:
            found.append(endpoint.id)
    return Where().any_of("id", found)


async def create(tx: Tx, policy: Policy) -> Policy:
    return await tx.insert(POLICIES, policy)


async def change(tx: Tx, policy: Policy, changes: dict[str, Any]) -> Policy:
    return await tx.update(POLICIES, policy, **changes)


async def delete(tx: Tx, policy: Policy) -> None:
    await tx.delete(POLICIES, policy)
