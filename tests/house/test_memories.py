"""Memories: what a process keeps of the database hangs on its parts, and ARCHITECTURE says how each gets to know that
it is old. A module keeps nothing of the kind: two clouds in one process would share it, and nobody would empty it.
"""

import ast
import re

import pytest
from tests.house.house import PATHS, ROOT, SOURCE, imports, tree_of

PURE = {
    "trivet.api.compute.servers.views": "how a moment is written, and a hash",
    "trivet.api.kit.bodies": "how a class of ours is read",
    "trivet.api.network.bodies": "classes made from classes of ours, and how a moment is written",
    "trivet.api.object.wire": "how a moment is written",
    "trivet.domain.identity.delegation.path_patterns": "a text as a pattern",
    "trivet.domain.network.addresses": "a text as an address",
    "trivet.settings": "an address of this machine",
    "trivet.store.postgres": "our own statements, numbered",
}
"""Modules that remember what follows from the question alone, so it is never old. None of it comes from a row."""

MEMORIES = {
    "trivet.domain.identity.tokens.tokens": "Tokens",
    "trivet.domain.identity.memory": "IdentityMemory",
    "trivet.domain.images.shown_images": "ShownImages",
    "trivet.domain.placement.provider_summaries": "KnownProviders",
    "trivet.domain.host_link.host_changes": "HostChanges",
    "trivet.store.leases": "Sightings",
}
NO_MEMORY = {
    "trivet.domain.alarms.streams": "who listens",
    "trivet.clock": "time",
    "trivet.domain.host_link.words": "how long an agent is silent before it counts as gone",
    "trivet.domain.identity.people.passwords": "threads that hash",
    "trivet.domain.identity.tokens.revocations": "what is done when a transaction has committed",
    "trivet.domain.secrets": "the key file",
    "trivet.domain.shares": "who waits for a place",
    "trivet.drivers.contracts.blobs": "a contract",
    "trivet.drivers.contracts.upstream": "the way to an engine",
    "trivet.ids": "chance",
    "trivet.measures": "counts of what this process did",
    "trivet.settings": "what the operator said",
    "trivet.store.store": "the database itself",
}
_EMPTY = re.compile(
    r"^(\{\}|\[\]|(set|dict|list|OrderedDict|defaultdict|deque|WeakKeyDictionary|WeakValueDictionary|Counter)\(.*\))$"
)
_CACHE = re.compile(r"\b(lru_)?cache\b")


def keeps_something(module: str) -> bool:
    """Whether a module has, at its own level, something that begins empty and is filled, or a cached function."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
            _CACHE.match(ast.unparse(each)) for each in node.decorator_list
        ):
            return True
    for node in tree_of(module).body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if value is None:
            continue
        text = ast.unparse(value)
        if _CACHE.match(text) or (_EMPTY.match(text) and any(filled(module, name) for name in names_of(node))):
            return True
    return False


def names_of(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def filled(module: str, name: str) -> bool:
    text = PATHS[module].read_text()
    return re.search(rf"\b{name}(\[[^\]]*\] =|\.(append|add|update|setdefault|extend|insert)\()", text) is not None


def test_a_module_remembers_only_what_follows_from_the_question() -> None:
    keeping = {module for module in PATHS if keeps_something(module)}
    assert sorted(keeping - PURE.keys()) == [], "what is kept of rows is a class that parts.py makes"
    assert sorted(PURE.keys() - keeping) == []


def test_every_part_says_whether_it_remembers() -> None:
    parts = imports("trivet.parts")
    assert sorted(parts - MEMORIES.keys() - NO_MEMORY.keys()) == []
    assert sorted((MEMORIES.keys() | NO_MEMORY.keys()) - parts) == []


@pytest.mark.parametrize("module", MEMORIES)
def test_a_memory_stands_in_the_table_of_architecture(module: str) -> None:
    path = PATHS[module].relative_to(SOURCE)
    table = (ROOT / "ARCHITECTURE.md").read_text().split("## What a process remembers")[1].split("\n## ")[0]
    (line,) = [line for line in table.splitlines() if line.startswith(f"| `{path}`")]
    assert re.search(rf"class {MEMORIES[module]}\b", PATHS[module].read_text())
    assert all(cell.strip() for cell in line.strip("|").split("|"))
