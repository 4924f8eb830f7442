"""Identity v3: the dialect of keystone."""
