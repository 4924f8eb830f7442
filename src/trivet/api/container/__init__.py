"""The container service: containers by a dialect of their own, over the same servers that compute speaks of."""
