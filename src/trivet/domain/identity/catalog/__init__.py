"""The catalog: which services there are, where they answer, and which project sees which of them."""
