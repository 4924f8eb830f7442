"""Speed and size: the external load harness against a cloud of ours, and what it costs at rest."""
