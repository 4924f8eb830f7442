"""Routers and floating IPs: what joins networks and leads out of them."""
