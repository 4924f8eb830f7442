"""Containers by podman: each server of kind container is one podman container in a network namespace of ours.

There is no daemon. podman is a program that runs for some 30 ms of CPU at each verb, and what stays is a
conmon of 2 MiB per container, so an idle host costs nothing and killing our process stops nobody's
container (docs/decisions/0007-podman.md).
"""
