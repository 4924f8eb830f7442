"""The object-store API, as Swift speaks it."""
