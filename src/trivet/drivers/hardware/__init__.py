"""What a machine is made of, read from what its kernel shows."""
