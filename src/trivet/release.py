"""Which release this is. Releases are numbered here, and packages take the number from here."""

RELEASE = "0.1.0"
