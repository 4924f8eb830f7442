"""Words of alarms, as ETSI's interfaces for NFV spell them (SOL003)."""

from typing import Literal

Severity = Literal["CRITICAL", "MAJOR", "MINOR", "WARNING", "INDETERMINATE", "CLEARED"]
EventType = Literal[
    "COMMUNICATIONS_ALARM",
    "PROCESSING_ERROR_ALARM",
    "ENVIRONMENTAL_ALARM",
    "QOS_ALARM",
    "EQUIPMENT_ALARM",
]
Event = Literal["raised", "changed", "cleared"]
ObjectType = Literal[
    "host", "server", "port", "volume", "cloud", "nic", "engine", "chassis", "network", "storage", "switch", "feed"
]
