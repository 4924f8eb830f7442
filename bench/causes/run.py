"""Precision and recall of three methods on the same stories, and what a look costs: make causes

The stories go through the product as it is: rows, the log, our controller. What inference was given at the end is given
to the other methods, too. Seeds from 5000 on: nothing was tuned on them.
"""

import argparse
import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.causes import stories
from tests.causes.stories import Story
from tests.causes.story_cloud import StoryCloud, play

from bench.causes import cost, cover, rules
from trivet.domain.causes import fault_reports, inference
from trivet.domain.causes.inference import Case
from trivet.store.where import Where

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parents[2] / "docs" / "decisions" / "0175-root-causes.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
FIRST = 5000
_STEP_S = 20.0


class Score:
    """What was told against what was so."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missed = self.exact = 0

    def add(self, story: Story, told: dict[str, set[str]]) -> None:
        """`told`: component -> it and what nothing tells from it."""
        met = [names & story.faults for names in told.values()]
        self.right += sum(1 for one in met if one)
        self.wrong += sum(1 for one in met if not one)
        self.exact += len(told.keys() & story.faults)
        self.missed += len(story.manifest - {name for one in met for name in one})

    def summary(self) -> dict[str, float]:
        told = self.right + self.wrong
        return {
            "precision": round(self.right / told, 4),
            "recall": round(self.right / (self.right + self.missed), 4),
            "exact": round(self.exact / told, 4),
            "right": self.right,
            "wrong": self.wrong,
            "missed": self.missed,
        }


async def measure(count: int) -> dict[str, Any]:
    scores = {"noisy-or": Score(), "cover": Score(), "rules": Score()}
    about: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + count):
        story = stories.tell(seed)
        ever: set[str] = set()
        cloud = await play(story, _STEP_S, lambda _, found, ever=ever: ever.update(found))  # type: ignore[misc] # fed
        try:
            open_now = await cloud.conclude()
            case = await cloud.case()
            scores["noisy-or"].add(story, _with_suspects(case, open_now))
            scores["cover"].add(story, {component: {component} for component in cover.find(case)})
            scores["rules"].add(story, {component: {component} for component in rules.find(case)})
            about["stories"] += 1
            about["faults"] += len(story.faults)
            about["faults that show"] += len(story.manifest)
            about["facts"] += len(story.facts)
            about["told for a while and wrong"] += len(ever - open_now - story.faults)
            about["left after all is healed"] += await left_over(cloud, story)
        finally:
            await cloud.store.close()
    return {"about": dict(about), "methods": {name: score.summary() for name, score in scores.items()}}


def _with_suspects(case: Case, found: set[str]) -> dict[str, set[str]]:
    told = {one.component: {one.component, *one.instead} for one in inference.find(case)}
    return {component: told.get(component, {component}) for component in found}


async def left_over(cloud: StoryCloud, story: Story) -> int:
    """Alarms and causes that are open once everything is well and nobody says anything for an hour."""
    await cloud.happen(story.healing)
    mistaken = [fact for fact in story.facts if fact.what == "probe" and fact.says == "down"]
    await cloud.happen([fact._replace(at=stories.LASTS_S + 20, says="up") for fact in mistaken])
    await cloud.conclude()
    cloud.clock.at += fault_reports.HOLDS_S
    async with cloud.store.write() as tx:
        await fault_reports.expire(tx, 100_000)
    causes = await cloud.conclude()
    async with cloud.store.read() as tx:
        where = Where().add("cleared_at IS NULL")
        row = await tx.row(f"SELECT COUNT(*) FROM alarms{where.sql}", *where.values)
    assert row is not None
    return len(causes) + int(row[0])


def table(found: dict[str, Any]) -> str:
    about = found["about"]
    lines = [
        f"{about['stories']} stories (seeds from {FIRST}), {about['facts']:,} facts, {about['faults']} faults, of which"
        f" {about['faults that show']} show. Told for a while and then taken back: "
        f"{about['told for a while and wrong']}. Left open after all was healed: {about['left after all is healed']}.",
        "",
        "| method | precision | recall | the very component | right | wrong | missed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, score in found["methods"].items():
        shares = " | ".join(f"{100 * score[key]:.1f} %" for key in ("precision", "recall", "exact"))
        lines.append(f"| {name} | {shares} | {score['right']} | {score['wrong']} | {score['missed']} |")
    lines += ["", "| one look, CPU ms | " + " | ".join(f"{size:,} servers" for size in cost.SIZES) + " |"]
    lines.append("|---" * (1 + len(cost.SIZES)) + "|")
    for what, figures in found["cost"].items():
        lines.append(f"| {what} | " + " | ".join(f"{figures[str(size)]:.1f}" for size in cost.SIZES) + " |")
    return "\n".join(lines)


def write(text: str) -> None:
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=int, default=400)
    count = parser.parse_args().stories
    found = asyncio.run(measure(count)) | {"cost": asyncio.run(cost.measure())}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    write(table(found))
    print(table(found))


if __name__ == "__main__":
    main()
