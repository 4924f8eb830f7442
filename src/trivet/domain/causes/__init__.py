"""Causes: what tenants report, what everything stands on, and which fault beneath explains what is seen."""
