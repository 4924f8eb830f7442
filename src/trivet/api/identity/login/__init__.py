"""Tokens: how they are got, checked and revoked."""
