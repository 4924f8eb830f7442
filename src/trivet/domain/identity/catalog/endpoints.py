"""Endpoints: where a service answers.

A URL that begins with / is ours and follows the address of this cloud, so that changing the address (or
putting a balancer before it) needs no change of rows.
"""

import re
from typing import Any, Literal

from trivet.domain.identity import extras
from trivet.domain.identity.catalog import regions, services
from trivet.domain.row_locks import hold
from trivet.errors import Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

Interface = Literal["public", "internal", "admin"]

_WORD = re.compile(r"[$%]\(([^()]*)\)s")
_BEGINS = re.compile(r"[$%]\(")
_WORDS = frozenset(("project_id", "tenant_id", "user_id", "public_bind_host", "admin_bind_host"))


class Endpoint(Record, frozen=True, kw_only=True):
    service_id: str
    region_id: str | None
    interface: Interface
    url: str
    enabled: bool = True
    extra: dict[str, Any] = {}


ENDPOINTS = Table("endpoints", Endpoint)


def address(url: str, cloud_url: str) -> str:
    return cloud_url + url if url.startswith("/") else url


async def need(tx: Tx, id: str) -> Endpoint:
    found = await tx.get(ENDPOINTS, id)
    if found is None:
        raise NotFound("endpoint.absent", f"Could not find endpoint: {id[:64]}.")
    return found


async def create(tx: Tx, new: Endpoint) -> Endpoint:
    await _check(tx, new.service_id, new.region_id, new.url)
    return await tx.insert(ENDPOINTS, new)


async def _check(tx: Tx, service_id: str | None, region_id: str | None, url: str | None) -> None:
    if service_id is not None and await tx.get(services.SERVICES, service_id) is None:
        raise Invalid("endpoint.service", f"Could not find service: {service_id[:64]}.")
    if region_id is not None and await tx.get(regions.REGIONS, region_id) is None:
        raise Invalid("endpoint.region", f"Could not find region: {region_id[:64]}.")
    # What is filled in is like $(project_id)s or %(project_id)s, and nothing but that begins so.
    words = _WORD.findall(url or "")
    if not _WORDS.issuperset(words) or len(words) != len(_BEGINS.findall(url or "")):
        raise Invalid("endpoint.url", f"Cannot create an endpoint with an invalid URL: {(url or '')[:255]}.")


async def update(tx: Tx, id: str, changes: dict[str, Any]) -> Endpoint:
    found = await need(tx, id)
    await _check(tx, changes.get("service_id"), changes.get("region_id"), changes.get("url"))
    if "extra" in changes:
        changes["extra"] = extras.merged(found.extra, changes["extra"])
    return await tx.update(ENDPOINTS, found, **changes)


async def delete(tx: Tx, id: str) -> None:
    found = await need(tx, id)
    await hold(tx, ENDPOINTS, id)
    await tx.run("DELETE FROM policy_associations WHERE endpoint_id = ?", id)
    await tx.delete(ENDPOINTS, found)
