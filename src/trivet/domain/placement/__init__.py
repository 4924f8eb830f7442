"""Placement: providers of capacity, what they have, and what is claimed of it. The only writer of its tables."""
