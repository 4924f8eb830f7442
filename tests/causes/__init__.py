"""Stories of faults, made by chance, for which it is known who is to blame."""
