"""Layer 3: the connection, which owns all state, and the public classes, which are views of it."""
