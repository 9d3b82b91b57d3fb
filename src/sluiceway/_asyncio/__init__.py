"""Layer 5: the asyncio-compatible API. Each public name is in the file of the same name."""
