"""Volumes as raw files, each behind a qemu-storage-daemon of its own."""
