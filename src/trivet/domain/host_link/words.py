"""What an agent on another machine and the API say to each other, besides orders and reports.

Both halves are made from these; a field that one half does not know is passed over, so either may be newer.
"""

import typing
from typing import Annotated

import msgspec

from trivet.domain.servers.words import Kind
from trivet.drivers.contracts.container import Question
from trivet.drivers.contracts.hardware import Hardware

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
Word = Annotated[str, msgspec.Meta(max_length=255)]
ASKED_AGAIN_S = 20.0
"""An agent that wants a host which another one has asks at least this often (hosting/remote_host.py), and so the API
sees that the other one has ended."""


class Facts(msgspec.Struct, frozen=True):
    """Facts of the machine that an agent runs on. Its name is not among them: the credential says which host it is."""

    holder: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[0-9a-f]+\Z")]
    """The id of the agent's data folder, which stays the same when it restarts."""
    kinds: Annotated[tuple[Kind, ...], msgspec.Meta(max_length=len(typing.get_args(Kind)))]
    vcpus: Count
    memory_mib: Count
    disk_gib: Count
    hypervisor_type: Word
    hypervisor_version: Count = 1
    address: Word = "127.0.0.1"
    management_address: Word = ""
    booted_at: Annotated[float, msgspec.Meta(ge=0, le=1e12)] | None = None
    cpu_info: Annotated[str, msgspec.Meta(max_length=16384)] | None = None
    """A JSON object."""
    hardware: Hardware | None = None


class Registered(msgspec.Struct, frozen=True):
    host_id: str
    host: str
    session: str
    """To be shown with every other call."""


class OrdersAsked(msgspec.Struct, frozen=True):
    servers: Annotated[tuple[Word, ...], msgspec.Meta(max_length=10_000)] | None = None
    """None: all that are on the host."""


class Changes(msgspec.Struct, frozen=True):
    position: int
    """The position in the log from which to ask next."""
    servers: dict[str, int] = {}
    """Id -> newest revision."""
    console_reads: bool = False
    """Somebody waits for the output of a console."""
    resync: bool = False
    """Events were dropped before they were read: look at everything."""


class ConsoleQuestion(msgspec.Struct, frozen=True):
    id: str
    server_id: str
    kind: Kind
    limit_bytes: int
    question: Question | None = None
    """None: what the console said last."""


class ConsoleAnswer(msgspec.Struct, frozen=True):
    output: bytes | None = None
    error: Word | None = None


class GuestPassword(msgspec.Struct, frozen=True):
    network_id: str
    ip: str
    password: Annotated[str, msgspec.Meta(max_length=1020)]
