"""The catalog: which services there are and where they answer, as one project sees it.

It is put together and encoded once for all who see the same, and goes into replies as it is.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from trivet.domain.identity.catalog.endpoints import ENDPOINTS, Endpoint, address
from trivet.domain.identity.catalog.services import SERVICES, Service
from trivet.domain.identity.memory import IdentityMemory
from trivet.store.tx import Tx
from trivet.store.where import Where

_WORD = re.compile(r"[$%]\((\w+)\)s")


async def encoded(tx: Tx, memory: IdentityMemory, cloud_url: str, project_id: str | None, user_id: str) -> msgspec.Raw:
    """For everybody the same, unless a project has endpoints of its own or a URL names who asks."""
    known = remembered(memory, project_id, user_id)
    if known is not None:
        return known
    generation = memory.generation
    special = frozenset(
        str(row[0])
        for row in await tx.rows(
            "SELECT project_id FROM endpoint_projects UNION SELECT project_id FROM endpoint_group_projects"
        )
    )
    services = await tx.select(SERVICES, Where().equal("enabled", 1), order="type, id")
    endpoints = await tx.select(ENDPOINTS, Where().equal("enabled", 1), order="service_id, interface, id")
    shared = project_id not in special and not any(_WORD.search(endpoint.url) for endpoint in endpoints)
    if project_id in special:
        assert project_id is not None
        wanted = await of_project(tx, project_id, endpoints)
        endpoints = [endpoint for endpoint in endpoints if endpoint.id in wanted]
        used = {endpoint.service_id for endpoint in endpoints}
        services = [service for service in services if service.id in used]
    words = {"user_id": user_id}
    if project_id is not None:
        words |= {"project_id": project_id, "tenant_id": project_id}
    raw = msgspec.Raw(msgspec.json.encode(list(_entries(services, endpoints, cloud_url, words))))
    if shared:
        memory.keep("catalog", raw, generation)
        memory.keep("catalog_special", special, generation)
    else:
        memory.keep(("catalog", project_id, user_id), raw, generation)
    return raw


def remembered(memory: IdentityMemory, project_id: str | None, user_id: str) -> msgspec.Raw | None:
    everybody: msgspec.Raw | None = memory.get("catalog")
    special: frozenset[str] | None = memory.get("catalog_special")
    if everybody is not None and special is not None and project_id not in special:
        return everybody
    own: msgspec.Raw | None = memory.get(("catalog", project_id, user_id))
    return own


async def of_project(tx: Tx, project_id: str, endpoints: Iterable[Endpoint]) -> set[str]:
    """Ids of the endpoints that were given to a project, singly or by group."""
    rows = await tx.rows("SELECT endpoint_id FROM endpoint_projects WHERE project_id = ?", project_id)
    found = {str(row[0]) for row in rows}
    groups = await tx.rows(
        "SELECT g.filters FROM endpoint_groups g JOIN endpoint_group_projects p ON p.endpoint_group_id = g.id"
        " WHERE p.project_id = ?",
        project_id,
    )
    for (text,) in groups:
        filters = msgspec.json.decode(text)
        found |= {endpoint.id for endpoint in endpoints if matches(endpoint, filters)}
    return found


def matches(endpoint: Endpoint, filters: dict[str, Any]) -> bool:
    return all(getattr(endpoint, name, None) == value for name, value in filters.items())


def _entries(
    services: list[Service], endpoints: list[Endpoint], cloud_url: str, words: dict[str, str]
) -> Iterable[dict[str, object]]:
    for service in services:
        mine = [endpoint for endpoint in endpoints if endpoint.service_id == service.id]
        yield {
            "endpoints": [
                {
                    "id": endpoint.id,
                    "interface": endpoint.interface,
                    "region_id": endpoint.region_id,
                    "region": endpoint.region_id,
                    "url": url,
                }
                for endpoint in mine
                if (url := filled(address(endpoint.url, cloud_url), words)) is not None
            ],
            "id": service.id,
            "type": service.type,
            "name": service.name or "",
        }


def filled(url: str, words: dict[str, str]) -> str | None:
    """$(project_id)s and %(project_id)s alike. None if it asks for what is not known here: a way in by project is none
    for a token of the system."""
    if not set(_WORD.findall(url)) <= set(words):
        return None
    return _WORD.sub(lambda word: words[word[1]], url)
