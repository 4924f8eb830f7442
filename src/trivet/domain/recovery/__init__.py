"""What comes back after a failure: which servers, where, in which order, and what was said and done about it."""
