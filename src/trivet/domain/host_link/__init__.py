"""Agents: what the process on a host is told, what it may touch, and what it says."""
