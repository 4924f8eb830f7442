"""Networks: from below words and addresses, then groups, nets, ports, routers; specs.py translates all of it for the engine."""
