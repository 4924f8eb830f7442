"""How the cloud is, and who changed what: for those who run it."""
