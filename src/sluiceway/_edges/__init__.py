"""Layer 4: where programs enter: connecting, serving, and taking asyncio's place."""
