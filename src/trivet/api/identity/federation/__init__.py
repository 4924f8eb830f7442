"""Identity providers, mappings and service providers."""
