"""Layer 4: the Connection with the state of both directions, its closing, its handler task, and the upgrade to TLS."""
