"""Objects, kept up by whoever has the duty: what expires, what nobody points at, what is damaged."""
