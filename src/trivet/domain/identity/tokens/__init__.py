"""Tokens: signed claims, the keys that sign them, and what was revoked."""
