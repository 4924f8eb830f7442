"""Which faults explain what is seen: by the cloud's own signs, by who is well, and by who says so and how often."""

import pytest

from trivet.domain.causes import graph, inference
from trivet.domain.causes.inference import Case, Sign, find, independent

CARD = {"nic:h:a": 1.0, "switch:s": 1.0}


def seen(id: str, *, down: bool, **said: float) -> Sign:
    return Sign(
        id=id, down=down, beneath={name.replace("_", ":"): strength for name, strength in said.items()}, alone=1e-5
    )


def report(number: int, witness: str, beneath: dict[str, float]) -> Sign:
    return Sign(id=f"report:{number}", down=True, beneath=beneath, witness=witness)


def told(*signs: Sign, **projects: int) -> list[str]:
    case = Case(signs, {name.replace("_", ":"): count for name, count in projects.items()})
    return [one.component for one in find(case)]


def test_one_sign_of_the_cloud_s_own_is_enough_and_nothing_else_is_blamed() -> None:
    assert told(seen("a", down=True, feed_a=1.0), seen("b", down=False, feed_b=1.0)) == ["feed:a"]


def test_what_is_shared_is_blamed_where_all_of_it_is_ill_and_not_where_one_is_well() -> None:
    ill = [seen(f"{n}", down=True, **{f"host_{n}": 1.0, "feed_a": 1.0}) for n in range(3)]
    assert told(*ill) == ["feed:a"]
    assert told(*ill, *(seen(f"well {n}", down=False, feed_a=1.0) for n in range(2))) == ["host:0", "host:1", "host:2"]


def test_where_something_stands_in_for_what_failed_those_above_may_well_be_well() -> None:
    well = [seen(f"{n}", down=False, **{f"host_{n}": 1.0, "feed_a": graph.REDUNDANT}) for n in range(5)]
    assert told(seen("monitor", down=True, feed_a=1.0), *well) == ["feed:a"]


@pytest.mark.parametrize(("witnesses", "blamed"), [(2, []), (3, ["nic:h:a"])])
def test_reports_alone_need_witnesses(witnesses: int, blamed: list[str]) -> None:
    signs = [report(n, f"w{n}", {"nic:h:a": 1.0}) for n in range(witnesses)]
    assert told(*signs, **{"nic_h_a": witnesses}) == blamed


def test_one_who_speaks_a_hundred_times_has_said_one_thing() -> None:
    loud = [report(n, "loud", CARD) for n in range(100)]
    others = [report(100 + n, f"w{n}", CARD) for n in range(2)]
    there = {"nic_h_a": 40, "switch_s": 40}
    assert told(*loud, nic_h_a=1, switch_s=1) == []
    assert told(*loud, *others, **there) == told(report(0, "loud", CARD), *others, **there) == []


def test_who_is_silent_speaks_against_it() -> None:
    signs = [report(n, f"w{n}", {"storage:b": 1.0}) for n in range(4)]
    assert told(*signs, storage_b=8) == ["storage:b"]
    assert told(*signs, storage_b=2000) == []


def test_what_cannot_be_told_apart_on_a_host_is_told_together() -> None:
    beneath = {"chassis:h": 1.0, "nic:h:a": 1.0}
    (one,) = find(Case([report(n, f"w{n}", beneath) for n in range(5)], {"chassis:h": 6, "nic:h:a": 6}))
    assert {one.component, *one.instead} == {"chassis:h", "nic:h:a"}
    assert one.confidence < inference.SURE


def test_of_two_that_are_nowhere_near_each_other_neither_is_told() -> None:
    beneath = {"network:n": 1.0, "storage:b": 1.0}
    assert told(*(report(n, f"w{n}", beneath) for n in range(5)), storage_b=6, network_n=6) == []


def test_who_shares_a_user_or_a_project_is_one_witness() -> None:
    found = independent([("a", "u1"), ("b", "u1"), ("b", "u2"), ("c", "u3")])
    assert found["a", "u1"] == found["b", "u1"] == found["b", "u2"] != found["c", "u3"]
