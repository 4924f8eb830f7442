"""The nouns, in rooms by family: what they are, their rules, and what can be done with them, once, for every dialect.

Rooms stand on floors; tests/house/test_floors.py says which. What each transaction may lock, and in which order, is in
`ranks.py`.
"""
