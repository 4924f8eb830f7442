"""Whether the file system that holds the containers can bound each one's disk: XFS can, with project quotas."""

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_OPTIONS = {"prjquota", "pquota"}


def has_quota(folder: Path) -> bool:
    """Of the file system that the folder is on, or will be."""
    while not folder.exists():
        folder = folder.parent
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in _MOUNTS.read_text().splitlines():
        place, _, kind = line.partition(" - ")
        if place.split()[2] == wanted:
            filesystem, _, options = kind.split(" ", 2)
            return filesystem == "xfs" and not _OPTIONS.isdisjoint(options.split(","))
    return False
