"""Admission: what a host is given to be a chassis of the cloud's network."""

import msgspec


class Admitted(msgspec.Struct, frozen=True):
    chassis: str
    """What it is called there, as in its certificate."""
    southbound: str
    """Where the centre's database is."""
    certificate: str
    authority: str
    """Who signed the others' certificates."""
