"""Ports: where something is plugged into a network."""
