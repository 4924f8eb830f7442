"""Guest CPUs: into how many sockets, cores and threads a machine sees its CPUs divided.

A flavor says what it prefers and the most of each; an image may choose otherwise, and lower the most. Sockets are
better than cores, and cores better than threads, unless one of them is said.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from trivet.domain.numbers import whole_number
from trivet.domain.servers.servers import FlavorOf
from trivet.domain.servers.topology.words import Words
from trivet.errors import Invalid

_UNBOUND = 65_536
PREFERRED = ("cpu_sockets", "cpu_cores", "cpu_threads")
_MOST = ("cpu_max_sockets", "cpu_max_cores", "cpu_max_threads")
_ALSO = ("max_cpu_sockets", "max_cpu_cores", "max_cpu_threads")
"""Spellings that have been in use, too."""


WORDS = frozenset(PREFERRED + _MOST + _ALSO)


class Shape(NamedTuple):
    sockets: int
    cores: int
    threads: int

    def exceeds(self, most: "Shape") -> bool:
        return any(mine > theirs for mine, theirs in zip(self, most, strict=True) if theirs)


def plain(vcpus: int) -> Shape:
    return Shape(vcpus, 1, 1)


def shape_of(flavor: FlavorOf, properties: Mapping[str, str], threads: int = 1) -> Shape | None:
    """None: what is preferred cannot be made of so many CPUs. `threads`: how many share a core of the host, which the
    machine should see if nothing else was said."""
    preferred, most = _wanted(Words(flavor.extra_specs, properties))
    if not any(preferred) and not any(most) and threads == 1:
        return plain(flavor.vcpus)
    possible = [shape for shape in _divisions(flavor.vcpus) if not shape.exceeds(most)]
    if not possible:
        sockets, cores, most_threads = (number or _UNBOUND for number in most)
        raise Invalid(
            "flavor.cpu_limits",
            f"Requested vCPU limits {sockets}:{cores}:{most_threads} are impossible to satisfy for vcpus count "
            f"{flavor.vcpus}",
        )
    fitting = [shape for shape in possible if _as_preferred(shape, preferred)]
    if threads > 1 and not any(preferred):
        fitting = [shape for shape in fitting if shape.threads == threads] or fitting
    return max(fitting, default=None)


def _as_preferred(shape: Shape, preferred: Shape) -> bool:
    return all(wanted in (0, has) for has, wanted in zip(shape, preferred, strict=True))


def _wanted(words: Words) -> tuple[Shape, Shape]:
    """(what is preferred, the most of each); 0 where nothing is said."""
    ours_most, theirs_most = _said(words.flavor, _MOST, _ALSO), _said(words.image, _MOST, _ALSO)
    if theirs_most.exceeds(ours_most):
        raise Invalid(
            "image.cpu_limits",
            f"Image vCPU topology limits ({_text(theirs_most)}) exceeds the limits of the flavor ({_text(ours_most)})",
        )
    most = Shape(*(theirs or ours for theirs, ours in zip(theirs_most, ours_most, strict=True)))
    ours, theirs = _said(words.flavor, PREFERRED), _said(words.image, PREFERRED)
    if theirs.exceeds(most):
        raise Invalid(
            "image.cpu_topology",
            f"Image vCPU topology ({_text(theirs)}) exceeds the limits of the flavor or image ({_text(most)})",
        )
    if any(theirs):
        return theirs, most
    return (Shape(0, 0, 0) if ours.exceeds(most) else ours), most


def _said(read: Callable[[str], str], names: tuple[str, ...], others: tuple[str, ...] = ("", "", "")) -> Shape:
    numbers = []
    for name, other in zip(names, others, strict=True):
        text = read(name) or (read(other) if other else "")
        number = whole_number(text or "0")
        if number is None:
            raise Invalid("flavor.cpu_topology", f"{text[:64]!r} is no number for {name}.")
        numbers.append(number)
    return Shape(*numbers)


def _text(shape: Shape) -> str:
    return f"sockets={shape.sockets}, cores={shape.cores}, threads={shape.threads}"


def _divisions(vcpus: int) -> Iterator[Shape]:
    divisors = [number for number in range(1, min(vcpus, _UNBOUND) + 1) if vcpus % number == 0]
    for threads in divisors:
        for cores in divisors:
            if vcpus % (threads * cores) == 0:
                yield Shape(vcpus // (threads * cores), cores, threads)
