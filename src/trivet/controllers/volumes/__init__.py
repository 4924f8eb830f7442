"""Volumes: what makes their back ends equal to the rows."""
