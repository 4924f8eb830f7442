"""How the tests of the house see it: its modules, and what each imports."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "trivet"
MODULES = sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {name_of(path): path for path in MODULES}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(PATHS[module].read_text())


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of ours that a module needs to be imported (what stands under TYPE_CHECKING counts, too)."""
    found: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("trivet"):
            for alias in node.names:
                # `from package import module` needs the module, not what the package's own __init__ gathers.
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in PATHS else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("trivet")}
    return frozenset(found)
