"""Alarms in the words of ETSI NFV-SOL003, for those who orchestrate network functions."""
