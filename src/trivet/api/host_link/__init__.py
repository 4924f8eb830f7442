"""The door for agents on other machines."""
