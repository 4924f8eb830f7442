"""Physical switches: one folder for all makes, since each is one file behind `contracts/switch.py`."""
