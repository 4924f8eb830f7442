"""Alarms: faults of what is a project's, or of the whole cloud, and who is told of them."""
