"""How the cloud is, for those who watch it: health, measures, status, and who changed what."""
