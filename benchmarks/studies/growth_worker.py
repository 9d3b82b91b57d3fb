"""Feed one record to a reader whose task waits in readuntil(), and print the cost as JSON.

The task runs and searches after each 64 KiB, as with a poller that receives this amount at a time. ``--what`` selects
the only measure of the run.
"""

import argparse
import asyncio
import json
import sys
import time
import tracemalloc
from typing import Any

EVERY = 65536
END = b"\r\n"


def reader_of(streams: str, limit: int) -> Any:
    loop = asyncio.get_running_loop()
    if streams == "sluiceway":
        import sluiceway

        return sluiceway.StreamReader(limit=limit, loop=loop)
    return asyncio.StreamReader(limit=limit, loop=loop)


async def fed(reader: Any, size: int, chunk: int) -> "asyncio.Task[bytes]":
    """Feed a record without its end. Returns the task that waits for the record."""
    task = asyncio.create_task(reader.readuntil(END))
    await asyncio.sleep(0)
    # Each byte could be the beginning of the separator. Each chunk is a separate object, like received data.
    piece = memoryview(b"\r" * chunk)
    feed = reader.feed_data
    times = max(1, EVERY // chunk)
    turns, rest = divmod(size // chunk, times)
    for _ in range(turns):
        for _ in range(times):
            feed(bytes(piece))
        await asyncio.sleep(0)
    for _ in range(rest):
        feed(bytes(piece))
    if size % chunk:
        feed(bytes(piece[: size % chunk]))
    await asyncio.sleep(0)
    return task


async def whole(reader: Any, size: int, chunk: int) -> bytes:
    task = await fed(reader, size, chunk)
    reader.feed_data(END)
    return await task


async def timed(arguments: argparse.Namespace) -> dict[str, float]:
    reader = reader_of(arguments.streams, arguments.limit)
    begun = time.process_time()
    record = await whole(reader, arguments.size, arguments.chunk)
    took = time.process_time() - begun
    check(record, arguments.size)
    return {"ns_per_byte": took * 1e9 / len(record)}


async def held(arguments: argparse.Namespace) -> dict[str, float]:
    """Return the peak of the allocated memory until the end of the record arrives."""
    reader = reader_of(arguments.streams, arguments.limit)
    tracemalloc.start()
    task = await fed(reader, arguments.size, arguments.chunk)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    reader.feed_data(END)
    check(await task, arguments.size)
    return {"held": most / arguments.size}


async def looked(arguments: argparse.Namespace) -> dict[str, float]:
    """Return the number of bytes that the pure core searches, and the allowed overlap at chunk boundaries."""
    from sluiceway._core import search

    count, find_in = 0, search.find_in

    def counting(chunk: Any, pattern: bytes, start: int, end: int = sys.maxsize) -> int:
        nonlocal count
        found = find_in(chunk, pattern, start, end)
        count += (min(end, len(chunk)) if found < 0 else found + len(pattern)) - start + 2 * (len(pattern) - 1)
        return found

    search.find_in = search.find_in_bytes = counting
    record = await whole(reader_of(arguments.streams, arguments.limit), arguments.size, arguments.chunk)
    check(record, arguments.size)
    if count < len(record):
        raise RuntimeError(f"only {count} of {len(record)} bytes were searched: not all searches are counted")
    return {"looked": count / len(record)}


def check(record: bytes, size: int) -> None:
    if record != b"\r" * size + END:
        raise RuntimeError("the record differs from the bytes that were fed")


MEASURES = {"time": timed, "held": held, "looked": looked}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", choices=["asyncio", "sluiceway"], required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--chunk", type=int, required=True)
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--what", choices=list(MEASURES), required=True)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(MEASURES[arguments.what](arguments))))


if __name__ == "__main__":
    main()
