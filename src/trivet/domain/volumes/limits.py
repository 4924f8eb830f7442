"""What volumes and snapshots take of their project's quota, in the words in which clients know a full one.

Each type may have limits of its own; they are kept by the type's id, since its name may change.
"""

from trivet.domain.limits import quotas
from trivet.domain.limits.limits import limit_of
from trivet.errors import OverQuota
from trivet.store.tx import Tx

LIMITS = {
    "volumes": 10,
    "gigabytes": 1000,
    "snapshots": 10,
    "per_volume_gigabytes": -1,
    "backups": 10,
    "backup_gigabytes": 1000,
    "groups": 10,
}
"""What a project may have unless somebody says otherwise."""

NAMES = tuple(LIMITS)
BY_TYPE = ("volumes", "gigabytes", "snapshots")
_TOO_LARGE = 413


def by_type(name: str, type_id: str) -> str:
    return f"{name}:{type_id}"


def of_volume(type_id: str | None, size_gib: int) -> dict[str, int]:
    return _with_type({"volumes": 1, "gigabytes": size_gib}, type_id)


def of_snapshot(type_id: str | None, size_gib: int) -> dict[str, int]:
    return _with_type({"snapshots": 1, "gigabytes": size_gib}, type_id)


def of_type(type_id: str | None, size_gib: int) -> dict[str, int]:
    """What of a volume's counts for its type only."""
    return {} if type_id is None else {by_type("volumes", type_id): 1, by_type("gigabytes", type_id): size_gib}


def of_growth(type_id: str | None, more_gib: int) -> dict[str, int]:
    return _with_type({"gigabytes": more_gib}, type_id)


def _with_type(amounts: dict[str, int], type_id: str | None) -> dict[str, int]:
    if type_id is None:
        return amounts
    return amounts | {by_type(name, type_id): amount for name, amount in amounts.items()}


async def check_size(tx: Tx, project_id: str, size_gib: int) -> None:
    most = await limit_of(tx, project_id, "per_volume_gigabytes")
    if 0 <= most < size_gib:
        raise OverQuota(
            "quota.exceeded",
            f"VolumeSizeExceedsLimit: Requested volume size {size_gib} is larger than maximum allowed limit {most}.",
            status=_TOO_LARGE,
        )


def take(tx: Tx, project_id: str, amounts: dict[str, int]) -> None:
    """When all else is done: the row of a busy project is where its requests meet."""
    quotas.at_end(tx, project_id, amounts)


def give_back(tx: Tx, project_id: str, amounts: dict[str, int]) -> None:
    quotas.at_end(tx, project_id, {name: -amount for name, amount in amounts.items()})


async def settled(tx: Tx) -> None:
    """For who is to be told now, in the words of this service; the last that a transaction does."""
    try:
        await tx.finish()
    except OverQuota as error:
        raise OverQuota(error.code, _told(error), status=_TOO_LARGE, **error.details) from error


def _told(error: OverQuota) -> str:
    resource, limit = str(error.details["resource"]).partition(":")[0], error.details["limit"]
    if resource in ("gigabytes", "backup_gigabytes"):
        return (
            f"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed {resource} quota. "
            f"Requested {error.details['requested']}G, quota is {limit}G and {error.details['used']}G has been "
            "consumed."
        )
    noun = resource.removesuffix("s").capitalize()
    return f"{noun}LimitExceeded: Maximum number of {resource} allowed ({limit}) exceeded for quota '{resource}'."


def move(tx: Tx, before: str, after: str, amounts: dict[str, int]) -> None:
    give_back(tx, before, amounts)
    take(tx, after, amounts)
