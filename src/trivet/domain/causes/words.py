"""Words of causes: what can be reported, what can be the cause, and which symptom speaks of what."""

from collections.abc import Mapping
from typing import Literal

from trivet.errors import Invalid

ReportedType = Literal["server", "port", "volume"]
Symptom = Literal[
    "unreachable",
    "packet_loss",
    "slow_network",
    "unresponsive",
    "crashed",
    "slow",
    "io_error",
    "slow_io",
    "data_corrupted",
    "other",
]
Family = Literal["network", "compute", "storage"]

SPEAKS_OF: Mapping[Symptom, Mapping[Family, float]] = {
    "unreachable": {"network": 1.0, "compute": 0.5},
    "packet_loss": {"network": 1.0},
    "slow_network": {"network": 1.0},
    "unresponsive": {"compute": 1.0, "storage": 0.4, "network": 0.3},
    "crashed": {"compute": 1.0, "storage": 0.2},
    "slow": {"compute": 1.0, "storage": 0.4, "network": 0.2},
    "io_error": {"storage": 1.0},
    "slow_io": {"storage": 1.0},
    "data_corrupted": {"storage": 1.0},
    "other": {"network": 0.5, "compute": 0.5, "storage": 0.5},
}
"""How well a fault of that family explains the symptom: people call a server dead that only cannot be reached."""

OF_TYPE: Mapping[ReportedType, Mapping[Family, float]] = {
    "server": {"network": 1.0, "compute": 1.0, "storage": 1.0},
    "port": {"network": 1.0},
    "volume": {"storage": 1.0},
}
"""What a thing can suffer from at all."""

ComponentType = Literal["host", "engine", "chassis", "nic", "network", "storage", "switch", "feed"]
"""engine: what runs servers on a host. chassis: what carries their packets there. feed: where power comes from."""

STANDS_ON: Mapping[str, frozenset[str]] = {
    "host": frozenset(("feed",)),
    "chassis": frozenset(("nic",)),
    "nic": frozenset(("switch",)),
    "storage": frozenset(("host", "nic", "switch", "feed")),
    "switch": frozenset(("switch", "feed")),
    "feed": frozenset(("feed",)),
}
"""What operators may declare; the rest follows from rows."""

SHOWN_AS: Mapping[str, str] = {
    "host": "host",
    "engine": "host",
    "chassis": "network",
    "nic": "network",
    "network": "network",
    "switch": "network",
    "storage": "storage",
    "feed": "power",
}
"""What a tenant hears of what failed: of what kind it is, and neither its name nor what else is there."""
NAME_MAX = 200


def kind_of(component: str) -> str:
    return component.partition(":")[0]


def name_of(component: str) -> str:
    return component.partition(":")[2]


def host_in(component: str) -> str | None:
    """The host that it is part of, by name. Names of hosts have no colon."""
    kind, _, rest = component.partition(":")
    if kind in ("host", "engine", "chassis"):
        return rest
    return rest.partition(":")[0] if kind == "nic" else None


def checked(component: str) -> str:
    """TYPE:NAME, as operators write it; a card is nic:HOST:NAME."""
    kind, _, rest = component.partition(":")
    plain = rest.isascii() and rest.isprintable() and not set(rest) & set(" /?#%")
    if kind not in SHOWN_AS or not rest or not plain or len(component) > NAME_MAX:
        raise Invalid(
            "component.invalid",
            f"A component is TYPE:NAME without spaces or slashes, {NAME_MAX} letters at most, and TYPE is one of "
            f"{', '.join(SHOWN_AS)}; not {component[:64]!r}.",
        )
    if kind == "nic" and not all(rest.partition(":")[::2]):
        raise Invalid("component.invalid", f"A card is nic:HOST:NAME, not {component[:64]!r}.")
    return component
