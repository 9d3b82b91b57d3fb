"""R1: reads that are cancelled or time out and are retried until they complete, to test that no byte is lost.

``RetryCount`` counts the retries; a test without any retry has tested nothing.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from support.scheduling import run_iterations, start_task

Read = Callable[[], Awaitable[bytes]]


@dataclasses.dataclass
class RetryCount:
    count: int = 0


async def retry_cancelled(call: Read, retries: RetryCount | None = None) -> bytes:
    """Cancel the read after one to three iterations of the loop, and retry it until it completes."""
    iterations = 1
    while True:
        task = await start_task(call())  # type: ignore[arg-type]
        await run_iterations(iterations)
        if not task.done():
            task.cancel()
        try:
            result: bytes = await task
        except asyncio.CancelledError:
            iterations = iterations % 3 + 1
            if retries is not None:
                retries.count += 1
            await run_iterations(1)
        else:
            return result


async def retry_timed_out(call: Read, retries: RetryCount, wait: str) -> bytes:
    """Retry the read with almost no timeout until it completes; ``wait`` is "wait_for" or "timeout"."""
    while True:
        try:
            if wait == "wait_for":
                return await asyncio.wait_for(call(), 0.0001)
            async with asyncio.timeout(0):
                return await call()
        except TimeoutError:
            retries.count += 1
