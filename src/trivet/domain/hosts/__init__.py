"""Hosts: machines that can run servers, how operators group them, and how their agents prove who they are."""
