"""What a registry needs done beside its requests."""
