"""Registered limits and limits."""
