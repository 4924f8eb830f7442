"""Where one process answers HTTP: its doors, with TLS or without, and how it stops."""
