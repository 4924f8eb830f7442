"""Limits of fencing: when it is likelier that we are blind than that so many hosts have died."""

from typing import NamedTuple

PERIOD_S = 3600.0


class Scene(NamedTuple):
    hosts: int
    """All that the cloud has."""
    dead: int
    """Of them, those that count as dead now and are not fenced yet."""
    fenced_lately: int
    """In the last hour."""


def forbids(scene: Scene, most_in_an_hour: int) -> str | None:
    """Why nobody is fenced now; None: nothing is against it."""
    if scene.dead * 2 > scene.hosts:
        return (
            f"{scene.dead} of {scene.hosts} hosts look dead: it is likelier that we are cut off, so none is fenced. "
            "An operator who knows better says so with forced_down."
        )
    if scene.fenced_lately >= most_in_an_hour:
        return (
            f"{scene.fenced_lately} hosts were fenced in the last hour, and {most_in_an_hour} are allowed "
            "(the setting fencing_most): an operator must look first."
        )
    return None
