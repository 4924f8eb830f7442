"""Servers: something that runs for a tenant, whatever it is made of."""
