"""OVN's side of one host: its switch, and how machines are plugged into it."""
