"""TLS over any transport: the handshake, the transport that programs see, flow control, closing."""
