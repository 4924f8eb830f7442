"""Serving: how one process answers HTTP, with TLS or without, and how it stops."""
