"""Runs loops in threads, each with a server and its clients, and prints as JSON how many messages they carried.

Windows with one thread and with two alternate. A window counts from the moment at which all clients are connected. A
message is a line of 256 bytes that a client sends and its server echoes; both run in the thread.
"""

import argparse
import asyncio
import json
import statistics
import sys
import threading
import time
from typing import Any

LINE = b"x" * 255 + b"\n"
CLIENTS = 16
THREADS = (1, 2)
PATIENCE = 60


async def echo(reader: Any, writer: Any) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def carry(streams: Any, seconds: float, ready: threading.Barrier) -> int:
    """The number of messages that one loop carries in a window of so many seconds."""
    server = await streams.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    pairs = [await streams.open_connection(*address) for _ in range(CLIENTS)]
    for reader, writer in pairs:
        writer.write(LINE)
        await reader.readline()
    ready.wait(PATIENCE)
    end = time.monotonic() + seconds

    async def talk(reader: Any, writer: Any) -> int:
        count = 0
        while time.monotonic() < end:
            writer.write(LINE)
            await writer.drain()
            if await reader.readline() != LINE:
                raise RuntimeError("an answer is wrong")
            count += 1
        return count

    counts = await asyncio.gather(*(talk(*pair) for pair in pairs))
    for _, writer in pairs:
        writer.close()
        await writer.wait_closed()
    server.close()
    return sum(counts)


def window(streams: Any, threads: int, seconds: float) -> tuple[float, float]:
    """Messages per second of all threads, and CPU microseconds of the process for each message."""
    ready = threading.Barrier(threads + 1)
    counts: list[int] = []

    def run() -> None:
        counts.append(asyncio.run(carry(streams, seconds, ready)))

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    ready.wait(PATIENCE)
    begun = time.process_time()
    for thread in running:
        thread.join()
    cpu = time.process_time() - begun
    if len(counts) != threads:
        raise RuntimeError("a thread failed")
    return sum(counts) / seconds, cpu * 1e6 / sum(counts)


def measured(streams: Any, windows: int, seconds: float) -> dict[str, float]:
    found: dict[int, list[tuple[float, float]]] = {threads: [] for threads in THREADS}
    for _ in range(windows):
        for threads in THREADS:
            found[threads].append(window(streams, threads, seconds))
    one, two = (found[threads] for threads in THREADS)
    return {
        "one": statistics.median(rate for rate, _ in one),
        "two": statistics.median(rate for rate, _ in two),
        "times": statistics.median(after / before for (before, _), (after, _) in zip(one, two, strict=True)),
        "one_cpu_us": statistics.median(cpu for _, cpu in one),
        "two_cpu_us": statistics.median(cpu for _, cpu in two),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", choices=["asyncio", "sluiceway"], default="sluiceway")
    parser.add_argument("--windows", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5)
    arguments = parser.parse_args()
    streams: Any = asyncio
    if arguments.streams == "sluiceway":
        import sluiceway

        streams = sluiceway
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        print("this interpreter has its lock: threads take turns", file=sys.stderr)
    print(json.dumps(measured(streams, arguments.windows, arguments.seconds)))


if __name__ == "__main__":
    main()
