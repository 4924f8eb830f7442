"""The key manager's API, version 1: secrets, containers of them, orders for new ones, and who may read what."""
