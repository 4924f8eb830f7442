"""Delegation: rights that a user lends to a program or to another user, and the keys that prove it."""
