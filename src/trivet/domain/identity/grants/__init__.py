"""Grants: who has which role where, directly, by a group or by another role, and what dies when it is taken."""
