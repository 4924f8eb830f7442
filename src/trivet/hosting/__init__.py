"""Hosting: the hosts that this process can look after, real or simulated, put together from drivers."""
