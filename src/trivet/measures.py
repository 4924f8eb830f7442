"""What this process counts of itself while it works: requests, how long they took, and how it stands.

Kept in memory and never in the database. `lines` says it in the text format that Prometheus reads.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Labels = Mapping[str, str]
Route = tuple[str, str, str]
"""Service, method, path as it is declared: one for each route, however many things are asked for."""


@dataclass(slots=True)
class Times:
    within: list[int] = field(default_factory=lambda: [0] * len(_BOUNDS_S))
    count: int = 0
    sum_s: float = 0.0

    def took(self, seconds: float) -> None:
        self.count += 1
        self.sum_s += seconds
        for place, bound in enumerate(_BOUNDS_S):
            if seconds <= bound:
                self.within[place] += 1


@dataclass(slots=True)
class Measures:
    requests: dict[tuple[Route, int], int] = field(default_factory=dict)
    times: dict[Route, Times] = field(default_factory=dict)
    position: Callable[[], int] = lambda: 0
    """How far this process has read the log."""
    duties: Callable[[], list[str]] = list
    """The names of what this process does for all."""
    engines_well: bool | None = None
    """None where no engine is looked after."""
    engines_trouble: str = ""

    def answered(self, route: Route, status: int, seconds: float) -> None:
        self.requests[route, status] = self.requests.get((route, status), 0) + 1
        times = self.times.get(route)
        if times is None:
            times = self.times[route] = Times()
        times.took(seconds)

    def lines(self) -> Iterator[str]:
        yield from head("trivet_requests_total", "counter", "Requests answered, by route and status.")
        for (route, status), count in self.requests.items():
            yield line("trivet_requests_total", count, _of(route) | {"status": str(status)})
        yield from head("trivet_request_seconds", "histogram", "How long requests took, by route.")
        for route, times in self.times.items():
            for bound, count in zip(_BOUNDS_S, times.within, strict=True):
                yield line("trivet_request_seconds_bucket", count, _of(route) | {"le": f"{bound:g}"})
            yield line("trivet_request_seconds_bucket", times.count, _of(route) | {"le": "+Inf"})
            yield line("trivet_request_seconds_sum", times.sum_s, _of(route))
            yield line("trivet_request_seconds_count", times.count, _of(route))


def _of(route: Route) -> dict[str, str]:
    service, method, path = route
    return {"service": service, "method": method, "route": path}


def head(name: str, kind: str, sentence: str) -> tuple[str, str]:
    return f"# HELP {name} {sentence}", f"# TYPE {name} {kind}"


def line(name: str, value: float, labels: Labels | None = None) -> str:
    inner = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in (labels or {}).items())
    return f"{name}{{{inner}}} {value:.10g}" if inner else f"{name} {value:.10g}"
