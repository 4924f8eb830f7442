"""Words: `hw:NAME` of a flavor and `hw_NAME` of an image, which say the same."""

from collections.abc import Iterator, Mapping

from trivet.domain.numbers import whole_number

ASKED = (
    "cpu_dedicated_mask", "cpu_policy", "cpu_thread_policy", "emulator_threads_policy", "mem_page_size", "numa_nodes",
)  # fmt: skip
ALIAS = "pci_passthrough:alias"
NUMBERED = ("numa_cpus", "numa_mem")
"""With a dot and the node's number behind."""
NODES_MAX = 128
_PLAIN = {
    "cpu_policy": ("shared",),
    "emulator_threads_policy": ("share",),
    "mem_page_size": ("small", "any"),
    "cpu_thread_policy": ("prefer",),
}
"""What asks for nothing special by itself."""


class Words:
    def __init__(self, extra_specs: Mapping[str, str], properties: Mapping[str, str]) -> None:
        self._extra_specs = extra_specs
        self._properties = properties

    def flavor(self, name: str) -> str:
        return self._extra_specs.get(f"hw:{name}", "")

    def image(self, name: str) -> str:
        return self._properties.get(f"hw_{name}", "")

    def either(self, name: str) -> str:
        return self.flavor(name) or self.image(name)

    def trait(self, name: str) -> str:
        return self._extra_specs.get(name, "") or self._properties.get(name, "")

    @property
    def alias(self) -> str:
        """PCI functions that are asked for."""
        return self._extra_specs.get(ALIAS, "")

    @property
    def has_nodes(self) -> bool:
        return bool(self.either("numa_nodes")) or any(is_numbered(name) for name in self._names())

    def written(self) -> list[str]:
        """What asks for something special, in the form NAME=VALUE."""
        return [
            f"{name}={text[:64]}"
            for name, text in sorted({**self._properties, **self._extra_specs}.items())
            if (is_asked(plain := _plain(name)) and not is_plain(plain, text)) or name in ("resources:PCPU", ALIAS)
        ]

    def _names(self) -> Iterator[str]:
        for name in (*self._extra_specs, *self._properties):
            yield _plain(name)


def is_asked(name: str) -> bool:
    """Whether a hardware word, without its hw: or hw_, is about the inside of a host."""
    return name in ASKED or is_numbered(name)


def is_plain(name: str, text: str) -> bool:
    return text in _PLAIN.get(name, ())


def is_numbered(name: str) -> bool:
    kind, dot, number = name.partition(".")
    return bool(dot) and kind in NUMBERED and whole_number(number) is not None


def _plain(name: str) -> str:
    for prefix in ("hw:", "hw_"):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return ""
