"""Network API v2.0, as Neutron's clients know it."""
