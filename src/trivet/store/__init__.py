"""The only rooms that speak SQL: transactions, schema, migrations, claims, leases, the log.

This floor does not know what a server is. It knows rows with a revision, capacity that must not be
sold twice, work that one process does at a time, and a log that everyone believes.
"""
