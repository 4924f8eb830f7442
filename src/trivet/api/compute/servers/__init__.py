"""Everything below /servers."""
