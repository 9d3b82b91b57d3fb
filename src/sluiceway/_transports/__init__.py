"""Layer 2: sockets and the loop's transports: receiving bounded, connecting, listening, accepting."""
