"""The measures of this process and the facts of its cloud, in the text that Prometheus reads."""

import asyncio
import os
import resource as usage
import shutil
from collections.abc import Iterator
from pathlib import Path

from trivet.domain.watch import facts
from trivet.domain.watch.facts import Facts
from trivet.errors import TrivetError
from trivet.measures import Labels, head, line
from trivet.parts import Parts
from trivet.release import RELEASE

_PATIENCE_S = 5.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


async def asked(parts: Parts) -> tuple[Facts | None, float]:
    """The facts, and how long the database took to say them; None while it does not answer."""
    began = parts.clock.monotonic()
    try:
        async with asyncio.timeout(_PATIENCE_S), parts.store.read() as tx:
            found = await facts.read(tx)
    except (TrivetError, TimeoutError):
        return None, parts.clock.monotonic() - began
    return found, parts.clock.monotonic() - began


async def text_of(parts: Parts) -> str:
    found, seconds = await asked(parts)
    lines = [*_process(parts), *parts.measures.lines()]
    lines += _one("trivet_database_up", "Whether the database answers.", int(found is not None))
    lines += _one("trivet_database_seconds", "How long it took to say what stands below.", seconds)
    if found is not None:
        lines += _cloud(found, parts)
    return "\n".join(lines) + "\n"


def _one(name: str, sentence: str, value: float, labels: Labels | None = None) -> Iterator[str]:
    yield from head(name, "gauge", sentence)
    yield line(name, value, labels)


def _process(parts: Parts) -> Iterator[str]:
    yield from _one("trivet_release", "Always 1; says which release this is.", 1, {"version": RELEASE})
    used = usage.getrusage(usage.RUSAGE_SELF)
    yield from head("process_cpu_seconds_total", "counter", "Processor time of this process.")
    yield line("process_cpu_seconds_total", used.ru_utime + used.ru_stime)
    yield from _one("process_resident_memory_bytes", "Memory of this process.", _resident_bytes())
    room = shutil.disk_usage(parts.settings.data)
    yield from _one("trivet_data_bytes", "Size of the disk under data.", room.total)
    yield from _one("trivet_data_free_bytes", "What of it is free.", room.free)
    if parts.measures.engines_well is not None:
        yield from _one("trivet_engines_well", "Whether the engines here are well.", int(parts.measures.engines_well))
    yield from head("trivet_duties_held", "gauge", "1 for each duty that this process does for all.")
    for name in parts.measures.duties():
        yield line("trivet_duties_held", 1, {"duty": name})


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _cloud(found: Facts, parts: Parts) -> Iterator[str]:
    now = parts.clock.now()
    yield from _one("trivet_schema", "Number of the database's schema.", found.schema)
    behind = max(0, found.log_head - parts.measures.position())
    yield from _one("trivet_log_lag_events", "Changes that this process has not read yet.", behind)
    yield from _one("trivet_orders_waiting", "What was asked of servers and is not done yet.", found.orders)
    yield from _one("trivet_oldest_order_seconds", "How long the oldest of it waits.", found.oldest_order_s)
    damaged = "Objects whose bytes are not what they were when they were taken in."
    yield from _one("trivet_objects_damaged", damaged, found.damaged_objects)
    yield from head("trivet_lease_left_seconds", "gauge", "How long each lease still holds, whoever has it.")
    for lease in found.leases:
        yield line("trivet_lease_left_seconds", lease.ends_at - now, {"lease": lease.name})
    yield from head("trivet_servers", "gauge", "Servers by status.")
    for status, count in found.servers.items():
        yield line("trivet_servers", count, {"status": status})
    yield from _hosts(found)


def _hosts(found: Facts) -> Iterator[str]:
    for name, sentence in (
        ("up", "Whether something was heard of the host lately."),
        ("seen_s", "How long ago the last sign of life was."),
        ("servers", "Servers on the host."),
        *((f"{what}{part}", f"{what} of the host{said}.") for what in ("vcpus", "memory_mib", "disk_gib")
          for part, said in (("", ""), ("_used", " that are taken"))),
    ):  # fmt: skip
        metric = f"trivet_host_{name.replace('seen_s', 'seen_seconds_ago')}"
        yield from head(metric, "gauge", sentence)
        for host in found.hosts:
            yield line(metric, float(getattr(host, name)), {"host": host.name})
