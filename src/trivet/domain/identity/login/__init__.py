"""Login: from what a client shows to a token."""
