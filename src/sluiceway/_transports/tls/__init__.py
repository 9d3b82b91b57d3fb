"""TLS over any transport: the handshake, the public transport, flow control and closing."""
