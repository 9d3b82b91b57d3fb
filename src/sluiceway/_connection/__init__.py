"""Layer 4: the connection, which owns the state of both directions, and what is done with it as a whole."""
