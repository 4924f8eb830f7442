"""What we ask of the world outside: a few verbs for each role, and plain data to say it with.

Drivers import nothing of ours but this folder. They do not retry and remember nothing that the
engine itself does not remember: every verb may be called twice, late, or after a crash.
"""
