"""The network's controller: rows are read whole, compared with what the engine was given, and applied."""
