"""Volumes as raw files, each behind a qemu-storage-daemon of its own."""

from trivet.drivers.qsd.volumes import QsdVolumes, missing

__all__ = ["QsdVolumes", "missing"]
