"""Limits: how much a project may use, and what it has taken of it."""
