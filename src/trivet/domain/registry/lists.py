"""Lists of a registry: a repository's tags, what refers to a manifest, and the repositories that somebody sees."""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.registry import manifests, repositories
from trivet.domain.registry.manifests import ALIVE, MANIFESTS, Manifest
from trivet.domain.registry.repositories import Repository
from trivet.store.tx import Tx
from trivet.store.where import Where

_PAGE_BYTES = 4 << 20
_AT_ONCE = 50


async def tags(tx: Tx, caller: Caller, path: str, last: str, limit: int) -> list[str]:
    """In the order of their letters, after `last`."""
    repository = await repositories.find(tx, path)
    if repository is None or not await manifests.sees_any(tx, caller, repository):
        raise repositories.absent(path)
    found: list[str] = []
    sight = manifests.Sight(tx, caller)
    while len(found) < limit:
        page = await _tags_after(tx, repository, last, limit)
        for name, manifest_id in page:
            manifest = None if caller.may_see(repository.project_id) else await tx.get(MANIFESTS, manifest_id)
            if manifest is None or await sight.sees(manifest):
                found.append(name)
            last = name
        if len(page) < limit:
            break
    return found[:limit]


async def _tags_after(tx: Tx, repository: Repository, last: str, limit: int) -> list[tuple[str, str]]:
    rows = await tx.rows(
        "SELECT t.name, t.manifest_id FROM registry_tags t JOIN registry_manifests m ON m.id = t.manifest_id"
        " JOIN images i ON i.id = m.image_id WHERE t.repository_id = ? AND t.name > ? ORDER BY t.name LIMIT ?",
        repository.id,
        last,
        limit,
    )
    return [(str(row[0]), str(row[1])) for row in rows]


class Referrers(msgspec.Struct, frozen=True):
    found: list[Manifest]
    more: bool


class ReferrersPage(msgspec.Struct, frozen=True):
    """Whose referrers, and which of them."""

    path: str
    digest: str
    artifact_type: str | None
    last: str


async def referrers(tx: Tx, caller: Caller, wanted: ReferrersPage) -> Referrers:
    """Manifests whose subject is the digest, whether that is there or not; as many as fit an answer."""
    repository = await repositories.find(tx, wanted.path)
    if repository is None or not await manifests.sees_any(tx, caller, repository):
        raise repositories.absent(wanted.path)
    found: list[Manifest] = []
    size, last, sight = 0, wanted.last, manifests.Sight(tx, caller)
    while True:
        where = Where().equal("repository_id", repository.id).equal("subject", wanted.digest).add(ALIVE)
        where.add("digest > ?", last)
        if wanted.artifact_type is not None:
            where.equal("artifact_type", wanted.artifact_type)
        page = await tx.select(MANIFESTS, where, order="digest", limit=_AT_ONCE)
        for manifest in page:
            if not await sight.sees(manifest):
                continue
            size += len(msgspec.json.encode(manifest.annotations))
            if found and size > _PAGE_BYTES:
                return Referrers(found, True)
            found.append(manifest)
        if len(page) < _AT_ONCE:
            return Referrers(found, False)
        last = page[-1].digest


async def catalog(tx: Tx, project_ids: list[str], last: str, limit: int) -> list[str]:
    """Repositories with something in them, by the id of their project: of these projects, and what they are shown."""
    if not project_ids:
        return []
    marks = ", ".join("?" for _ in project_ids)
    rows = await tx.rows(
        "SELECT path FROM (SELECT r.project_id || '/' || r.name AS path FROM registry_repositories r"
        " WHERE EXISTS (SELECT 1 FROM registry_manifests m JOIN images i ON i.id = m.image_id"
        f" WHERE m.repository_id = r.id AND (r.project_id IN ({marks}) OR i.visibility = 'public'"
        " OR (i.visibility = 'shared' AND EXISTS (SELECT 1 FROM image_members s WHERE s.image_id = i.id"
        f" AND s.status = 'accepted' AND s.member_id IN ({marks})))))) AS seen WHERE path > ? ORDER BY path LIMIT ?",
        *project_ids,
        *project_ids,
        last,
        limit,
    )
    return [str(row[0]) for row in rows]
