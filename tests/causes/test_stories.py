"""A hundred stories of faults by chance, through rows, log and controller: nearly all that shows is found, hardly
anything else is blamed, and nothing is left when all is well. `make causes` measures four hundred."""

from tests.causes import stories
from tests.causes.story_cloud import play
from trivet.domain.alarms.alarms import ALARMS
from trivet.domain.causes import fault_reports
from trivet.domain.causes.inference import find
from trivet.store.where import Where

FIRST, COUNT = 9000, 100
LEAST = 0.95


async def test_faults_are_found_and_little_else_and_all_ends() -> None:
    right = wrong = missed = 0
    for seed in range(FIRST, FIRST + COUNT):
        story = stories.tell(seed)
        cloud = await play(story, stories.LASTS_S, lambda _at, _found: None)
        try:
            found = await cloud.conclude()
            suspects = {one.component: one.instead for one in find(await cloud.case())}
            met = [({one, *suspects.get(one, ())} & story.faults) for one in found]
            right += sum(1 for names in met if names)
            wrong += sum(1 for names in met if not names)
            missed += len(story.manifest - {name for names in met for name in names})
            mistaken = [fact for fact in story.facts if (fact.what, fact.says) == ("probe", "down")]
            await cloud.happen(story.healing)
            await cloud.happen(fact._replace(at=stories.LASTS_S + 20, says="up") for fact in mistaken)
            await cloud.conclude()
            cloud.clock.at += fault_reports.HOLDS_S
            async with cloud.store.write() as tx:
                await fault_reports.expire(tx, 100_000)
            assert await cloud.conclude() == set(), seed
            async with cloud.store.read() as tx:
                assert await tx.select(ALARMS, Where().add("cleared_at IS NULL")) == [], seed
        finally:
            await cloud.store.close()
    assert right / (right + wrong) >= LEAST, (right, wrong)
    assert right / (right + missed) >= LEAST, (right, missed)


def test_a_story_is_the_same_each_time_it_is_told() -> None:
    one, other = stories.tell(7), stories.tell(7)
    assert (one.faults, one.facts, one.healing) == (other.faults, other.facts, other.healing)
