"""Layer 2: transports, which move bytes between a socket and a receiver."""
