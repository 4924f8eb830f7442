"""Claims are proved on the same databases as the store that they stand on."""

from tests.store.conftest import clock, new_store, store, two_stores

__all__ = ["clock", "new_store", "store", "two_stores"]
