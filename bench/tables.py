"""The figures as tables: printed, and written into docs/performance.md between its markers."""

import json
import tomllib
from pathlib import Path
from typing import Any

from bench.harness import key

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

Summary = dict[str, Any]


def write(results: Path) -> str:
    """The tables of whatever was measured, put into the page."""
    found = [json.loads(path.read_text()) for path in sorted(results.glob("*.json"), reverse=True)]
    upstream = tomllib.loads((results.parent / "upstream.toml").read_text())
    text = f"{_benches(found, upstream['figure'])}\n\n{_rest(found, upstream)}"
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}")
    return text


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _benches(found: list[Summary], figures: list[dict[str, Any]]) -> str:
    names = [summary["database"] for summary in found]
    heads = ["operation", "upstream"]
    for name in names:
        heads += [name, "times less", "ops/s"]
    rows = [_row(*heads), _row(*["---"] * len(heads))]
    for figure in figures:
        cells: list[object] = [figure["what"], _ms(figure["cpu_ms"])]
        for summary in found:
            ours = summary["benches"].get(key(figure["bench"], figure["concurrency"]))
            if ours is None:
                cells += ["", "", ""]
                continue
            split = f" ({_ms(ours['cpu_ms_ours'])} ours)" if summary["database"] == "postgres" else ""
            times = figure["cpu_ms"] / ours["cpu_ms"]
            cells += [_ms(ours["cpu_ms"]) + split, f"{times:.0f}x", f"{ours['ops_s']:,.0f}"]
        rows.append(_row(*cells))
    return "Server CPU milliseconds for one operation, the database's included:\n\n" + "\n".join(rows)


def _rest(found: list[Summary], upstream: dict[str, Any]) -> str:
    rest = upstream["rest"]
    rows = [_row("", "upstream", *(summary["database"] for summary in found))]
    rows.append(_row(*["---"] * (len(found) + 2)))

    def line(what: str, theirs: object, ours: Any) -> None:
        rows.append(_row(what, theirs, *(ours(summary) for summary in found)))

    line("memory (PSS) at rest, MiB", f"{rest['memory_mib']:,}", lambda s: s["memory_at_rest_mib"])
    line("memory (PSS) after load, MiB", f"{rest['memory_after_load_mib']:,}", lambda s: s["memory_after_load_mib"])
    line("CPU at rest with 500 servers, % of a core", rest["idle_cpu_percent"], lambda s: _both(s["idle"]))
    line("cold start to the first token, s", rest["first_token_s"], lambda s: s["cold_start"]["first_token_s"])
    line(
        "cold start to the first server ACTIVE, s",
        rest["first_server_s"],
        lambda s: s["cold_start"]["first_server_active_s"],
    )
    line("the race for the last slots", rest["race"], lambda s: _race(s["races"]))
    for size in found[0]["claim_cpu_ms_by_hosts"] if found else ():
        line(f"a claim among {int(size):,} hosts, CPU ms", "", lambda s, n=size: s["claim_cpu_ms_by_hosts"][n])
    line("load of the machine (1 min), first and last", "", lambda s: f"{s['load_at_start']}, {s['load_at_end']}")
    return "\n".join(rows)


def _both(idle: dict[str, float]) -> str:
    return str(idle["ours"]) + (f" (PostgreSQL: {idle['postgres']})" if "postgres" in idle else "")


def _race(races: dict[str, int]) -> str:
    return f"{races['claimed']:,} of {races['slots']:,} sold in {races['runs']} runs, {races['oversold']} too many"


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
