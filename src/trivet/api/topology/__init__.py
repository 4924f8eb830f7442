"""Topology: what stands on what beneath servers, as far as no row of the cloud can know it."""
