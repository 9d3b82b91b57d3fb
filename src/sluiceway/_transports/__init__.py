"""Layer 2: the transports, which move bytes between a socket and the core."""
