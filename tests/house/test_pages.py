"""The pages written by hand name only what there is: files, commands, their flags, and settings."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from trivet.cli.main import main
from trivet.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"^ *(?:[A-Z_]+=\S+ +)*trivet +([a-z]+)([^#\n]*)", re.MULTILINE)
SETTINGS = {entry.name for entry in fields(Settings)} | {"web_allow"}
"""And what a driver has beside it."""


def of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_a_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_a_command_and_its_flags_are_there(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for block in re.findall(r"^```\w*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        for command, words in COMMAND.findall(block):
            verb = re.match(r" *([a-z]+)\b", words)
            with pytest.raises(SystemExit) as ended:
                main([command, *(verb.groups() if verb else ()), "--help"])
            assert ended.value.code == 0, command
            shown = capsys.readouterr().out
            for flag in re.findall(r"--[a-z-]+", words):
                assert re.search(rf"{flag}\b", shown), f"trivet {command} {flag}"


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_a_variable_is_a_setting(page: Path) -> None:
    named = {name.lower() for name in re.findall(r"\bTRIVET_([A-Z_]+)\b", page.read_text())}
    assert named <= SETTINGS


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    missing = [page.name for page in PAGES if page.parent.name == "docs" and f"({page.name})" not in index]
    assert missing == ["README.md"], "the index need not name itself"
