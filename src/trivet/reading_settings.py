"""Where settings are said: a TOML file, then TRIVET_... in the environment, then flags."""

import re
import tomllib
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

from trivet.errors import Invalid
from trivet.setting_checks import check
from trivet.settings import Settings

_PREFIX = "TRIVET_"
_NEAR = 0.8
"""How alike two names must be (1 is the same) for one to count as a misspelling of the other."""
_WHOLE = re.compile("[+-]?[0-9]{1,18}")
_TESTS = "TRIVET_TEST_"


def load(path: Path | None, environment: dict[str, str], flags: dict[str, Any]) -> Settings:
    """Flags over environment over file over defaults. Unknown names are refused with the nearest known one."""
    said: dict[str, Any] = {}
    if path is not None:
        said |= tomllib.loads(path.read_text())
    said |= _said_in(environment)
    said |= {name: value for name, value in flags.items() if value is not None}
    return check(replace(Settings(), **{name: _typed(name, value) for name, value in said.items()}))


def _said_in(environment: dict[str, str]) -> dict[str, str]:
    """Other variables may begin as ours do, the tests' among them; one that is nearly a setting is a slip."""
    said = {}
    for name, text in environment.items():
        key = name.removeprefix(_PREFIX).lower()
        if not name.startswith(_PREFIX) or name.startswith(_TESTS):
            continue
        if key in _kinds():
            said[key] = text
        elif near := get_close_matches(key, _kinds(), 1, _NEAR):
            raise Invalid("setting.unknown", f"There is no setting {name}. Did you mean {_PREFIX}{near[0].upper()}?")
    return said


def _kinds() -> dict[str, type]:
    hints = get_type_hints(Settings)
    return {entry.name: hints[entry.name] for entry in fields(Settings)}


def _typed(name: str, value: Any) -> Any:
    kind = _kinds().get(name)
    if kind is None:
        near = get_close_matches(name, _kinds(), 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise Invalid("setting.unknown", f"There is no setting {name}.{hint}")
    if kind is bool and isinstance(value, str):
        if value.lower() not in ("1", "0", "true", "false", "yes", "no"):
            raise Invalid("setting.invalid", f"{name} must be true or false, not {value!r}.")
        return value.lower() in ("1", "true", "yes")
    if kind is int and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    # A TOML file has kinds of its own: 1.5 is not 1 here, nor true.
    if type(value) is not kind:
        wanted = {int: "a whole number", bool: "true or false"}.get(kind, "text")
        raise Invalid("setting.invalid", f"{name} must be {wanted}, not {value!r}.")
    return value
