"""Ironic, which deploys physical machines: its process, and the way to it."""
