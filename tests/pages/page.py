"""A page as somebody types it: its shell and Python blocks in order, with what its hidden marks say.

Marks are comments that no reader sees, each on a line of its own:

    <!-- run: COMMAND -->        typed here by the test: what the page's words ask for (`cloud`, `stop`)
    <!-- not run: REASON -->     the next block is not typed; why
"""

import re
from pathlib import Path
from typing import NamedTuple

_PART = re.compile(
    r"^<!-- run: (?P<hidden>.+?) -->$"
    r"|^<!-- not run: (?P<reason>.+?) -->$"
    r"|^```(?P<language>\w*)\n(?P<block>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_SHELL = ("", "sh", "bash")


class Step(NamedTuple):
    language: str
    text: str


def steps(page: Path) -> list[Step]:
    """What is typed, in order."""
    found, skipped = [], False
    for part in _PART.finditer(page.read_text()):
        if part["hidden"]:
            found.append(Step("sh", part["hidden"] + "\n"))
        elif part["reason"]:
            assert not skipped, f"{page.name}: two reasons for one block"
            skipped = True
        else:
            language = "sh" if part["language"] in _SHELL else part["language"]
            if language in ("sh", "python") and not skipped:
                found.append(Step(language, part["block"]))
            skipped = False
    assert not skipped, f"{page.name}: a reason for no block"
    return found
