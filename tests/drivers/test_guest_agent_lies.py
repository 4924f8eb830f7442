"""The agent in a guest is a tenant's program: whatever it answers is a refusal, and no bug of ours."""

import asyncio
from pathlib import Path

import pytest

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.qemu import guest_agent
from trivet.drivers.qemu.layout import Layout

SYNC = b"\xff" + b'{"return": %d}\n'
LIES = {
    "nested without end": b"[" * 60_000 + b"\n",
    "no UTF-8": b'{"error": {"desc": "\xff\xfe"}}\n',
    "no object": b"[1]\n",
    "no JSON": b"{\n",
    "longer than any answer": b" " * 200_000 + b"\n",
    "an error of another kind": b'{"error": [1, 2]}\n',
    "an error without end": b'{"error": {"desc": "' + b"x" * 60_000 + b'"}}\n',
    "nothing": b"",
}


@pytest.mark.parametrize("what", LIES)
async def test_what_it_says_is_bounded_and_refused_in_words(what: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path)
    layout.agent.parent.mkdir(parents=True, exist_ok=True)

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(1)
            asked = await reader.readline()
            number = int(asked.rpartition(b":")[2].strip(b" }\n"))
            writer.write(SYNC % number)
            await reader.readline()
            writer.write(LIES[what])
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_unix_server(lie, layout.agent)
    try:
        with pytest.raises(DriverError) as caught:
            await guest_agent.set_password(layout, "root", "secret")
        assert len(caught.value.why) < 400
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)  # what was accepted is closed in the loop's own time
