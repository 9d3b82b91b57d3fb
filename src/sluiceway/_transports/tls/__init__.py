"""TLS over any transport: the handshake, the transport that programs use, flow control and closing."""
