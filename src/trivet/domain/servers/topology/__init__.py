"""Which parts of its host a server has: what is asked, what fits, and what is held."""
