"""Faults that somebody is told about: the alarms, who wants to hear of them, and what is on its way to whom."""
