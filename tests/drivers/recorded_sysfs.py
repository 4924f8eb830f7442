"""What the kernel of a machine of two sockets shows of it, recorded in a guest that QEMU had given two sockets, two
cores in each and two threads in each core, and of whose second node a few huge pages were set aside."""

from pathlib import Path

RECORDED = Path(__file__).parent / "golden" / "sysfs-two-sockets.txt"


def two_sockets(root: Path) -> Path:
    """As a tree again."""
    for part in RECORDED.read_text().removeprefix("== ").split("\n== "):
        name, _, content = part.partition("\n")
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.rstrip("\n") + "\n")
    return root
