"""Consoles: the address that a remote console's URL names. A page over HTTP, the stream over a websocket."""
