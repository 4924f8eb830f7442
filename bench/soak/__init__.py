"""Soaks: a cloud under load for as long as one likes, while it is left alone, killed, or brought up to date.

Each is one command, `make soak`, `make soak-kills` and `make soak-upgrade`, and puts its figures into
docs/reliability.md. A promise that is broken ends it with a status that is not 0.
"""
