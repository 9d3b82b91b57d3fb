"""Layer 5: the asyncio-compatible API: reader, writer, protocols, server, the four functions, and install()."""
