"""The reference pages, made from the code: settings, routes, error codes, actions by kind; and the index of decisions.

`make docs` writes them; a test refuses stale ones.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from trivet.api.kit import versions
from trivet.api.kit.callers import DECISIONS
from trivet.domain.servers import action_table
from trivet.process import services
from trivet.settings import Settings

_SOURCE = Path(__file__).parent
_DOCS = _SOURCE.parents[1] / "docs"
_ERRORS = {"Invalid": 400, "Forbidden": 403, "NotFound": 404, "Conflict": 409, "OverQuota": 403, "Busy": 503}


def pages() -> dict[str, str]:
    """Path below docs/reference -> text."""
    return {
        "settings.md": _settings(),
        "routes.md": _routes(),
        "errors.md": _errors(),
        "actions-by-kind.md": action_table.as_page(),
    }


def decisions() -> str:
    """The index of docs/decisions."""
    lines = [
        "# Decisions",
        "",
        "Why it is as it is: what we saw, what we chose, what it costs, what would change our mind. Nothing here is",
        "needed to use or run it. `make docs` makes this list.",
        "",
        "| page | what was decided |",
        "|---|---|",
    ]
    for page in sorted((_DOCS / "decisions").glob("[0-9]*.md")):
        number, _, title = page.read_text().partition("\n")[0].lstrip("# ").partition(". ")
        lines.append(f"| [{number}]({page.name}) | {title} |")
    return "\n".join(lines) + "\n"


def _settings() -> str:
    lines = [
        "# Settings",
        "",
        "Made from `settings.py`. Say a setting in the TOML file that `--config` names (`token_s = 600`), as a",
        "variable (`TRIVET_TOKEN_S=600`) or, where a command's `--help` lists it, as a flag. A flag wins over the",
        "variable, and the variable over the file. A name in the file that is not here is refused, so is a variable",
        "that is nearly one of these. `packaging/trivet.toml` is a file to begin with.",
        "",
        "| setting | default | what it says |",
        "|---|---|---|",
    ]
    for entry in fields(Settings):
        default = getattr(Settings(), entry.name)
        shown = f"`{str(default).lower() if isinstance(default, bool) else default}`" if default != "" else "(empty)"
        lines.append(f"| `{entry.name}` | {shown} | {entry.metadata['sentence']} |")
    return "\n".join(lines) + "\n"


def _routes() -> str:
    lines = [
        "# Routes",
        "",
        "Made from the route table (`trivet routes` prints it, too). *may* is the policy: what a caller must be; see",
        "`api/kit/callers.py`. *served by* is the file below `src/trivet` to read first. Where *may* is `token`, the",
        "row decides that the word behind it names:",
        "",
        *(f"- *{word}*: {sentence}" for word, sentence in DECISIONS.items()),
    ]
    for service in services():
        folder = service.package.rpartition(".")[2]
        title = folder if folder == service.name else f"{folder} ({service.name})"
        lines += ["", f"## {title}", "", "| method | path | may | versions | served by |", "|---|---|---|---|---|"]
        for route in sorted(service.routes(), key=lambda route: (route.path, route.action or "", route.method)):
            path = service.prefix + route.path + (f" `{route.action}`" if route.action else "")
            since = versions.text(route.since) if route.since else ""
            until = versions.text(route.until) if route.until < 1_000_000 else ""
            when = f"{since} - {until}" if since or until else ""
            may = route.may + (f", *{route.decides}*" if route.decides else "")
            file = route.handler.__module__.removeprefix("trivet.").replace(".", "/") + ".py"
            lines.append(f"| {route.method} | {path} | {may} | {when} | {file} |")
    return "\n".join(lines) + "\n"


def _errors() -> str:
    found: dict[str, tuple[int, set[str]]] = {}
    for path in sorted(_SOURCE.rglob("*.py")):
        for code, status in _codes(ast.parse(path.read_text())):
            found.setdefault(code, (status, set()))[1].add(path.relative_to(_SOURCE).as_posix())
    lines = [
        "# Error codes",
        "",
        "Made from the places that raise them. A code never changes once released; its sentence may.",
        "",
        "| code | status | raised in |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{code}` | {status} | {', '.join(sorted(where))} |" for code, (status, where) in sorted(found.items())
    ]
    return "\n".join(lines) + "\n"


def _codes(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Every literal code with its status: raised, or given to its base by an error that always says the same."""
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in _ERRORS]
            inits = [call for call in ast.walk(node) if isinstance(call, ast.Call) and _is_init_of_base(call)]
            for call in inits if bases else []:
                yield from _code(call, _ERRORS[bases[0]])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ERRORS:
            yield from _code(node, _ERRORS[node.func.id])


def _is_init_of_base(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == "super().__init__"


def _code(call: ast.Call, status: int) -> Iterator[tuple[str, int]]:
    if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
        for word in call.keywords:
            if word.arg == "status" and isinstance(word.value, ast.Constant):
                status = int(str(word.value.value))
        yield call.args[0].value, status


def main() -> int:
    folder = _DOCS / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)
        print(f"wrote docs/reference/{name}")
    (_DOCS / "decisions" / "README.md").write_text(decisions())
    print("wrote docs/decisions/README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
