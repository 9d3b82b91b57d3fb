"""Reads that are given up and begun again until they come through, to see whether that loses anything (contract R1).

``Patience`` counts how often that was; a test that was never interrupted has shown nothing.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from support.turns import started, turns

Read = Callable[[], Awaitable[bytes]]


@dataclasses.dataclass
class Interruptions:
    count: int = 0


async def insistent(call: Read, interruptions: Interruptions | None = None) -> bytes:
    """Cancel the read after a turn of the loop or two, and begin it again, until it comes through."""
    patience = 1
    while True:
        task = await started(call())  # type: ignore[arg-type]
        await turns(patience)
        if not task.done():
            task.cancel()
        try:
            result: bytes = await task
        except asyncio.CancelledError:
            patience = patience % 3 + 1
            if interruptions is not None:
                interruptions.count += 1
            await turns(1)
        else:
            return result


async def timing_out(call: Read, interruptions: Interruptions, wait: str) -> bytes:
    """Give the read next to no time, and begin it again, until it comes through; ``wait`` says by which of asyncio's
    two ways, "wait_for" or "timeout"."""
    while True:
        try:
            if wait == "wait_for":
                return await asyncio.wait_for(call(), 0.0001)
            async with asyncio.timeout(0):
                return await call()
        except TimeoutError:
            interruptions.count += 1
