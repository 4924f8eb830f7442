"""The command `trivet`."""
