"""The bare metal API, version 1: answered by the engine, in the name of whom we know."""
