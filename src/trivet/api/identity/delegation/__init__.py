"""Application credentials, trusts, OAuth, EC2 keys and other credentials."""
