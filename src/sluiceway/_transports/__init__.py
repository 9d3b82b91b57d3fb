"""Layer 2: the transports, which move bytes between a connected socket and the core."""
