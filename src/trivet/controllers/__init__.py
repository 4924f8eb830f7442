"""Reconcilers: loops that make it so, one small file a noun."""
