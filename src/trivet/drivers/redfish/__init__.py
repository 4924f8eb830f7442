"""Redfish: the little of it that cuts a host's power and says whether it is off."""
