"""Tables: each is written in the rooms of one family only, each that is locked has a rank, and no dialect knows SQL."""

import ast
import re

from tests.house.house import MODULES, SOURCE, name_of, tree_of

from trivet.domain.ranks import RANK, UNRANKED

TABLES = {
    table
    for file in (SOURCE / "store" / "schema").glob("*.sql")
    for table in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", file.read_text())
}
RECORD = re.compile(r'^([A-Z_]+)\s*(?::[^=]+)?=\s*Table\(\s*"(\w+)"', re.MULTILINE)
RECORDS = {name_of(path): dict(RECORD.findall(path.read_text())) for path in MODULES}
"""module -> the names that it gives to tables. Two rooms may use one name."""
STATEMENT = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")
VERB = re.compile(r"tx\.(?:insert|insert_new|update|delete)\(\s*([A-Z_]+)\b")

KNOW_EVERY_ROOM = {"trivet.domain.removal", "trivet.domain.seeds"}
SHARED = {"numbers": "a counter for whoever needs one", "events": "the log", "leases": "of every duty"}


def family(module: str) -> str:
    """The same in domain and in controllers, where a family has a folder in both."""
    parts = module.split(".")
    return parts[2] if parts[1] in ("domain", "controllers") and len(parts) > 3 else ".".join(parts[1:-1])


def known_in(module: str) -> dict[str, str]:
    """The names of tables that a module has made or imported."""
    found = dict(RECORDS[module])
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and node.module in RECORDS:
            of_other = RECORDS[node.module]
            found |= {each.asname or each.name: of_other[each.name] for each in node.names if each.name in of_other}
    return found


def writers() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in MODULES:
        text = path.read_text()
        tables = {table for table in STATEMENT.findall(text) if table in TABLES}
        known = known_in(name_of(path))
        tables |= {known[name] for name in VERB.findall(text) if name in known}
        for table in tables:
            found.setdefault(table, set()).add(name_of(path))
    return found


def test_a_table_is_written_by_one_family() -> None:
    wrong = {}
    for table, modules in writers().items():
        families = {family(module) for module in modules - KNOW_EVERY_ROOM}
        if len(families) > 1 and table not in SHARED:
            wrong[table] = sorted(modules)
    assert wrong == {}


def test_every_table_has_a_rank() -> None:
    assert sorted(TABLES - set(RANK) - UNRANKED - {"migrations"}) == []
    assert sorted(set(RANK) - TABLES) == []


def test_dialects_write_nothing_and_ask_nothing_in_sql() -> None:
    """What a dialect wants is said by an act of domain, or by a list of a table."""
    asking = re.compile(r"tx\.(?:row|rows|run)\(")
    dialects = {name_of(path): path.read_text() for path in MODULES if path.is_relative_to(SOURCE / "api")}
    assert [name for name, text in dialects.items() if VERB.search(text) or asking.search(text)] == []
