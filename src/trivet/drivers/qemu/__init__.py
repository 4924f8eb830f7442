"""Virtual machines by QEMU: each server of kind vm is one QEMU process and one folder.

There is no daemon between us and QEMU. The process belongs to nobody once it runs: killing ours stops no
guest, and the next one of ours finds it by its pid file (docs/decisions/0006-qemu.md).
"""
