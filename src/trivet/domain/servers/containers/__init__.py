"""Containers as people of the container service speak of them: servers of that kind, with what only they have."""
