"""Layer 4: the connection, which owns the state of both directions: closing, handlers and the upgrade to TLS."""
