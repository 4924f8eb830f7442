"""The house: who may import whom, no circles, no file too long for one sitting, and names that say something."""

import ast
import re
from pathlib import Path

import pytest
from tests.house.house import MODULES, PATHS, imports, name_of

LONG = 500
LONG_FOR_A_REASON: dict[str, str] = {}

FLOORS = {
    # room: rooms whose doors open from it
    "drivers": {"drivers", "clock"},
    "store": {"store", "errors", "clock", "ids"},
    "domain": {"domain", "store", "drivers", "errors", "clock", "ids", "settings", "parts"},
    "agent": {"agent", "domain", "drivers", "errors", "clock", "ids"},
    "controllers": {"controllers", "domain", "store", "drivers", "errors", "clock", "ids", "parts", "settings"},
    "api": {"api", "domain", "drivers", "store", "errors", "clock", "ids", "parts", "settings", "measures", "release"},
}
PASSAGES: dict[tuple[str, str], str] = {
    ("domain", "drivers"): "only contracts: an act says what it wants in a driver's plain data",
    ("api", "drivers"): "only contracts: a call goes on to an engine that has an API itself",
    ("drivers", "clock"): "simulated engines take their time from the simulation",
}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize("floor", FLOORS)
def test_a_room_imports_only_from_rooms_below_it(floor: str) -> None:
    wrong = [
        f"{name_of(path)} imports {module}"
        for path in MODULES
        if room(name_of(path)) == floor
        for module in imports(name_of(path))
        if room(module) and room(module) not in FLOORS[floor]
    ]
    assert not wrong


def test_domain_and_api_know_of_drivers_only_their_contracts() -> None:
    wrong = [
        f"{name_of(path)} imports {module}"
        for path in MODULES
        if room(name_of(path)) in ("domain", "api")
        for module in imports(name_of(path))
        if module.startswith("trivet.drivers") and not module.startswith("trivet.drivers.contracts")
        and module != "trivet.drivers"
    ]  # fmt: skip
    assert not wrong


def test_a_package_gathers_nothing() -> None:
    """Python runs a package's __init__ before any of its modules, so one that imports them stands in a circle."""
    gathering = {name for name, path in PATHS.items() if path.name == "__init__.py" and imports(name)}
    assert gathering <= {"trivet.testing"}, "import from the module that has it"


def test_there_are_no_circles() -> None:
    graph = {name: {needed for needed in run_by(name) if needed in PATHS} - {name} for name in PATHS}
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> None:
        assert module not in way, " -> ".join([*way[way.index(module) :], module])
        if module not in done:
            for needed in sorted(graph[module]):
                visit(needed, [*way, module])
            done.add(module)

    for module in graph:
        visit(module, [])


def run_by(module: str) -> set[str]:
    """What Python runs to import a module: what it names, and the packages around that."""
    found = set(imports(module))
    for needed in (module, *found):
        above = needed.split(".")[:-1]
        found |= {".".join(above[:length]) for length in range(1, len(above) + 1)}
    # It promises SimCloud to those who use us, and brings it only when they ask.
    return found - {"trivet.testing"}


@pytest.mark.parametrize("path", [pytest.param(path, id=name_of(path)) for path in MODULES])
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LONG or name_of(path) in LONG_FOR_A_REASON, f"{lines} lines: split it along a seam"


@pytest.mark.parametrize("path", [pytest.param(path, id=name_of(path)) for path in MODULES])
def test_a_module_begins_with_what_it_is(path: Path) -> None:
    if path.read_text().strip():
        assert ast.get_docstring(ast.parse(path.read_text()))


def test_no_room_has_a_name_that_can_refuse_nothing() -> None:
    vague = re.compile(r"^(utils?|common|helpers?|managers?|base|misc|core)$")
    assert not [name_of(path) for path in MODULES if vague.match(path.stem)]


def test_catch_all_stands_only_at_the_boundaries() -> None:
    allowed = {"trivet.api.kit.app", "trivet.drivers.contracts.foreseen", "trivet.store.follower"}
    found = {name_of(path) for path in MODULES if re.search(r"except Exception\b", path.read_text())}
    assert found <= allowed


def test_nothing_below_the_agent_knows_the_store() -> None:
    """An agent on another machine has no database: what it needs is made of words, orders and contracts."""
    for module in [name for name in PATHS if room(name) == "agent"]:
        reached, ahead = {module}, [module]
        while ahead:
            for needed in imports(ahead.pop()) - reached:
                assert room(needed) != "store", f"{module} reaches {needed}"
                reached.add(needed)
                if needed in PATHS:
                    ahead.append(needed)


def test_programs_are_run_in_one_way() -> None:
    """Bounded in time, output and memory, and killed whole: what starts one by itself bounds nothing."""
    allowed = {
        "trivet.drivers.programs": "the one way",
        "trivet.cli.workers": "processes of our own, which stay",
        "trivet.drivers.podman.shelters": "a process that only holds a namespace until it is told to end",
        "trivet.lab.bmcs": "the lab's BMCs, of no tenant's words",
        "trivet.lab.fabric": "the lab's cables, laid by who runs the lab, of no tenant's words",
        "trivet.lab.host": "the lab's hosts, which stay, and what who runs the lab types into them",
        "trivet.lab.lab": "a command of our own",
        "trivet.lab.rack": "the lab's switch and machines, of no tenant's words",
        "trivet.drivers.ironic.engine": "Ironic, which stays as long as we do, and of no tenant's words",
        "trivet.drivers.podman.engine": "a terminal in a container, which stays as long as somebody looks at it",
    }
    starts = re.compile(r"subprocess\.Popen\(|subprocess\.run\(|create_subprocess|os\.(system|popen|spawn|posix_spawn)")
    assert {name_of(path) for path in MODULES if starts.search(path.read_text())} <= allowed.keys()


def test_what_is_a_whole_number_is_said_in_one_place() -> None:
    """`"²".isdigit()` is true and `int` refuses it; `int` takes "١٢" and refuses 5,000 digits: answers of 500.

    The class: text of a client that passes one look and then fails, or means something else, in the next.
    """
    allowed = {"trivet.domain.numbers", "trivet.drivers.contracts.tars", "trivet.store.postgres", "trivet.api.kit.app"}
    # Names of files that the kernel or we ourselves have written.
    allowed |= {"trivet.drivers.podman.proc", "trivet.drivers.podman.ranges", "trivet.drivers.qemu.processes"}
    looks = re.compile(r"\.is(digit|decimal|numeric)\(")
    assert {name_of(path) for path in MODULES if looks.search(path.read_text())} <= allowed
