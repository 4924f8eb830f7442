"""What a soak found: printed as it goes, and put into docs/reliability.md between its markers."""

import json
import platform
import subprocess
import time
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"

Figures = dict[str, object]


def say(what: object, told: object) -> None:
    print(f"{what}: {json.dumps(told, default=str)}", flush=True)


def write(name: str, command: str, figures: Figures, page: Path = PAGE) -> None:
    """In the place of what the same soak found before."""
    rows = "\n".join(f"| {what} | {_shown(told)} |" for what, told in figures.items())
    text = f"`{command}`, {time.strftime('%Y-%m-%d')}, at {_commit()}, Python {platform.python_version()}:"
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, found, rest = page.read_text().partition(begin)
    _, ends, tail = rest.partition(end)
    assert found and ends, f"{page} has no place for {name}"
    page.write_text(f"{head}{begin}\n\n{text}\n\n| | |\n|---|---|\n{rows}\n\n{end}{tail}")


def _shown(told: object) -> str:
    if isinstance(told, bool):
        return "yes" if told else "no"
    if isinstance(told, int):
        return f"{told:,}"
    if isinstance(told, dict):
        return ", ".join(f"{key}: {_shown(value)}" for key, value in told.items()) or "none"
    return str(told)


def _commit() -> str:
    said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return said.stdout.strip() or "an unknown commit"
