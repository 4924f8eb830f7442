"""The cloud in virtual time: real controllers and agents, a real store, and processes that die at any moment."""
