"""What an upload may cost others: archives that stand for far more work than their size.

The class: a tenant's bytes that make us read, keep, copy or unpack more than they are. Whatever such an archive does,
it is refused after little time and little memory, and another project's archive does not wait for it.
"""

import asyncio
import contextlib
import gzip
import io
import tarfile
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from tests.api.image.container_archives import Image as ContainerImage
from tests.api.image.container_archives import tar
from tests.api.image.image_cloud import Cloud, cloud

from trivet.domain.shares import Shares

__all__ = ["cloud"]

MIB = 1 << 20


def zeroes(size: int) -> bytes:
    """Gzipped, made without holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(MIB)
    return b"".join([*(packer.compress(piece) for _ in range(size // MIB)), packer.flush()])


def docker(layer: bytes) -> dict[str, bytes]:
    """A docker archive whose one layer is this, said to be what the configuration names."""
    members = ContainerImage().docker_members()
    (name,) = [name for name in members if name.endswith("layer.tar") or "layer" in name]
    return members | {name: layer}


def long_name(size: int) -> bytes:
    """A header that says that a name of so many bytes follows, and the name."""
    head = tarfile.TarInfo("././@LongLink")
    head.type, head.size = tarfile.GNUTYPE_LONGNAME, size
    return head.tobuf(tarfile.GNU_FORMAT) + b"n" * size


def sparse_map() -> bytes:
    """A sparse file whose map never ends: Python's reader looks for its next line for ever."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("sparse")
        member.size = 4 * MIB
        member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x"}
        archive.addfile(member, io.BytesIO(b"1" * member.size))
    return file.getvalue()


def costly() -> Iterator[tuple[str, bytes]]:
    gzipped = ContainerImage().layer
    yield "behind the end of a stream", tar(docker(gzipped + bytes(8 * MIB)))
    yield "streams in a stream", tar(docker(gzip.compress(b"") * 150_000))
    yield "unpacks to 2 GiB", tar(docker(zeroes(2048 * MIB)))
    yield "a name of 64 MiB", long_name(64 * MIB)
    yield "a sparse map", sparse_map()
    yield "many members", tar({str(number): b"" for number in range(45_000)})
    yield "much JSON", tar({str(number): b"{" * (4 * MIB) for number in range(6)})
    index = ContainerImage().oci_members()
    yield "many manifests", tar(index | {"index.json": many_manifests(index["index.json"])})


def many_manifests(index: bytes) -> bytes:
    one = index.partition(b'"manifests": [')[2].partition(b"]")[0]
    return b'{"schemaVersion": 2, "manifests": [' + b",".join([one] * 12_000) + b"]}"


@pytest.mark.parametrize(("what", "data"), [pytest.param(*one, id=one[0]) for one in costly()])
async def test_an_archive_that_costs_much_is_refused(cloud: Cloud, what: str, data: bytes) -> None:
    image = await cloud.create(disk_format="oci")
    tracemalloc.start()
    assert "archive" in (await cloud.upload(image["id"], data)).refused(415)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * MIB + 4 * len(data), what
    assert await cloud.blob_keys() == set()


async def test_layers_of_several_streams_are_taken(cloud: Cloud) -> None:
    """As tools make them that find a file in a layer without unpacking all of it."""
    container = ContainerImage()
    half = len(container.plain) // 2
    layer = gzip.compress(container.plain[:half]) + gzip.compress(container.plain[half:])
    image = await cloud.active(tar(docker(layer)), disk_format="oci")
    assert image["status"] == "active"


async def test_places_are_shared_by_project_and_none_has_all_of_them() -> None:
    shares = Shares(4, 2)
    order: list[str] = []
    done = asyncio.Event()

    async def work(who: str) -> None:
        async with shares.place(who):
            order.append(who)
            await done.wait()

    greedy = [asyncio.create_task(work("greedy")) for _ in range(20)]
    await settled()
    assert order == ["greedy"] * 2
    late = asyncio.create_task(work("late"))
    await settled()
    assert order[2:] == ["late"]
    waiting = asyncio.create_task(work("late"))
    other = asyncio.create_task(work("other"))
    await settled()
    other.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await other
    done.set()
    await asyncio.gather(*greedy, late, waiting)
    assert (order.count("greedy"), order.count("late")) == (20, 2)
    async with shares.place("greedy"), shares.place("greedy"):
        pass


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
