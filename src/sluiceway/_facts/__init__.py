"""Layer 0: numbers and exceptions. Imports nothing of ours; knows asyncio's exceptions and nothing else."""
