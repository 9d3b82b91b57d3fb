"""Layer 5: the asyncio-compatible API, each public name in a file of its own name."""
