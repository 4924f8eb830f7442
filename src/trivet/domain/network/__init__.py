"""Networks, from below: words and addresses, groups, nets, ports, routers; specs.py translates all for the engine."""
