"""The nouns, flat: what they are, their rules, and what can be done with them, once, for every dialect."""
