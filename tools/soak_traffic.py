"""The traffic of the soak test: streams of known bytes with random cancellations and timeouts. Every byte is checked.

The stream of a connection starts at an offset of one random pattern, chosen by its seed. So a lost or duplicated byte,
or a byte of another connection, does not match.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import sluiceway

PATTERN_SIZE = 1_000_003  # bytes; a prime number, so that no chunk size divides it
PATTERN = random.Random(1).randbytes(PATTERN_SIZE)
CHUNK_SIZES = (1, 2, 7, 60, 500, 1000, 4000, 16_000, 70_000, 200_000)
MAX_UNDRAINED = (
    400_000  # the most bytes that are written without a drain; more would test the allocator, not the streams
)


class WrongBytesError(Exception):
    """The received bytes differ from the bytes that were sent."""


class Stream:
    """The bytes of one direction of one connection."""

    def __init__(self, seed: int) -> None:
        self._start = seed * 7919 % PATTERN_SIZE
        self.position = 0

    def next(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        at = (self._start + self.position) % PATTERN_SIZE
        self.position += size
        data = PATTERN[at : at + size]
        while len(data) < size:
            data += PATTERN[: size - len(data)]
        return data

    def check(self, data: bytes) -> None:
        """Raise WrongBytesError unless ``data`` are the next bytes."""
        at = self.position
        if data != self.next(len(data)):
            raise WrongBytesError(
                f"{len(data)} received bytes at offset {at} differ from those that were sent: {data[:40]!r} …"
            )


class FaultInjector:
    """Cancels and times out calls at random, and counts both."""

    def __init__(self, random_source: random.Random, counts: Counter[str]) -> None:
        self.random = random_source
        self.counts = counts

    async def inject(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Await ``make()``. Returns None if the call was cancelled or timed out, which is random."""
        fate = self.random.random()
        if fate < 0.7:
            return await make()
        if fate < 0.85:
            return await self._cancel(make())
        if fate < 0.95:
            return await self._time_out(asyncio.wait_for(make(), self.random.random() / 500))
        return await self._time_out(_within(self.random.random() / 500, make()))

    async def _cancel(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.create_task(coroutine)
        try:
            for _ in range(self.random.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        except asyncio.CancelledError:
            # The client itself was cancelled, and so is the call.
            task.cancel()
            await asyncio.wait([task])
            raise
        if task.cancelled():
            self.counts["cancelled"] += 1
            return None
        return task.result()

    async def _time_out(self, waiting: Awaitable[Any]) -> Any:
        try:
            return await waiting
        except TimeoutError:
            self.counts["timed out"] += 1
            return None

    async def pause(self) -> None:
        """Sleep in some of the calls, to be a slow peer."""
        fate = self.random.random()
        if fate < 0.03:
            await asyncio.sleep(self.random.random() / 50)
        elif fate < 0.1:
            await asyncio.sleep(0)


async def _within(seconds: float, coroutine: Coroutine[Any, Any, Any]) -> Any:
    async with asyncio.timeout(seconds):
        return await coroutine


async def send(writer: Any, stream: Stream, total: int, faults: FaultInjector) -> None:
    """Write ``total`` bytes of ``stream`` in pieces. Some of them may still be buffered at the end."""
    random_source = faults.random
    undrained = 0
    while stream.position < total:
        data = stream.next(min(random_source.choice(CHUNK_SIZES), total - stream.position))
        way = random_source.random()
        if way < 0.1:
            changed = bytearray(data)
            writer.write(changed)
            changed[:] = bytes(len(changed))
        elif way < 0.2:
            middle = len(data) // 2
            writer.writelines([data[:middle], memoryview(data)[middle:]])
        else:
            writer.write(data)
        undrained += len(data)
        if undrained > MAX_UNDRAINED:
            await writer.drain()
            undrained = 0
        elif random_source.random() < 0.6:
            await faults.inject(writer.drain)
        await faults.pause()


async def receive(reader: Any, stream: Stream, faults: FaultInjector) -> None:
    """Read until end of file with every kind of read, and check the bytes."""
    random_source = faults.random
    while True:
        way = random_source.random()
        size = random_source.choice(CHUNK_SIZES)
        try:
            if way < 0.45:
                data = await faults.inject(lambda size=size: reader.read(size))
                if data == b"":
                    return
            elif way < 0.8:
                data = await faults.inject(lambda size=size: reader.readexactly(size))
            elif way < 0.97:
                separator = PATTERN[size : size + random_source.randrange(1, 3)]
                data = await faults.inject(lambda separator=separator: reader.readuntil(separator))
            else:
                data = await faults.inject(reader.read)
                if data is not None:
                    stream.check(data)
                    return
        except sluiceway.IncompleteReadError as error:
            stream.check(error.partial)
            return
        except sluiceway.LimitOverrunError as error:
            # The data stays in the buffer after LimitOverrunError. Reading a part makes room for the rest.
            data = await reader.readexactly(max(1, error.consumed // 2))
        if data is not None:
            stream.check(data)
            faults.counts["bytes checked"] += len(data)
        await faults.pause()
