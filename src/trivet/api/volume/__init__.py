"""The block-storage API, version 3: volumes, their snapshots and types, and who uses them."""
