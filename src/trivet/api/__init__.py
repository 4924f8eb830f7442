"""Dialects: what clients see, one folder a service, one file a resource.

Each translates words to acts of `domain/` and back, and decides nothing. The folder is the route table:
every module of a service's folder is imported, and what it declares is served.
"""
