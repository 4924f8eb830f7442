"""Fault reports: tenants say what is wrong with what is theirs."""
