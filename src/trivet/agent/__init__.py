"""The host's half: follows what is desired for its hosts, calls drivers, reports what is."""
