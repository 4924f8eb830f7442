"""The graph: what stands on what, and how strongly a fault beneath shows above. Pure; rows fill it elsewhere."""

from collections.abc import Iterable, Mapping

REDUNDANT = 0.15
"""How much of a fault shows where something else stands in for what failed."""
_DEEP = 8


class Graph:
    def __init__(self) -> None:
        self._on: dict[str, dict[str, float]] = {}
        self._carries: dict[str, set[str]] = {}

    def stand(self, component: str, on: str, *, redundant: bool = False) -> None:
        if component == on:
            return
        self._on.setdefault(component, {})[on] = REDUNDANT if redundant else 1.0
        self._carries.setdefault(on, set()).add(component)

    def beneath(self, above: Mapping[str, float]) -> dict[str, float]:
        """Component -> how strongly its fault shows in what stands on `above`, which is itself among them."""
        found = dict(above)
        rest = dict(above)
        for _ in range(_DEEP):
            lower: dict[str, float] = {}
            for component, strength in rest.items():
                for on, passes in self._on.get(component, {}).items():
                    if strength * passes > found.get(on, 0.0):
                        found[on] = lower[on] = strength * passes
            if not lower:
                break
            rest = lower
        return found

    def carried_by(self, components: Iterable[str]) -> set[str]:
        """All that stands on one of them, themselves included."""
        found = set(components)
        rest = set(found)
        while rest:
            rest = {above for component in rest for above in self._carries.get(component, ())} - found
            found |= rest
        return found
