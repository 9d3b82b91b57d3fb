"""The client side: tasks that each open a connection, and send lines and await the responses.

The program measures its own window. It prints one JSON line in the format of the load generator, with its CPU time.
"""

import argparse
import asyncio
import json
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "servers"))

import common


def line(generator: random.Random, size: int) -> bytes:
    return bytes(generator.choices(range(32, 127), k=size - 1)) + b"\n"


async def talk(streams: str, port: int, requests: list[bytes], count: list[int]) -> None:
    if streams == "sluiceway":
        import sluiceway

        open_connection = sluiceway.open_connection
    else:
        open_connection = asyncio.open_connection
    reader, writer = await open_connection("127.0.0.1", port)
    try:
        while True:
            for request in requests:
                writer.write(request)
                await writer.drain()
                answer = await reader.readline()
                if answer != request:
                    raise ValueError(f"wrong response {answer!r} to {request!r}")
                count[0] += 1
    finally:
        writer.close()


async def measure(arguments: argparse.Namespace) -> None:
    generator = random.Random(arguments.seed)
    requests = [line(generator, arguments.size) for _ in range(16)]
    count = [0]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(talk(arguments.streams, arguments.port, requests, count))
            for _ in range(arguments.connections)
        ]
        await asyncio.sleep(arguments.warmup)
        messages, cpu, clock, waited = count[0], time.process_time(), time.monotonic(), common.waited()
        await asyncio.sleep(arguments.seconds)
        messages, cpu, clock = count[0] - messages, time.process_time() - cpu, time.monotonic() - clock
        waited = common.waited() - waited
        for task in tasks:
            task.cancel()
    found = {
        "messages": messages,
        "bytes": messages * arguments.size,
        "seconds": clock,
        "cpu_seconds": cpu,
        "load_cpu_seconds": 0.0,
        "waited_seconds": waited,
        "p50_us": 0.0,
        "p99_us": 0.0,
    }
    print(json.dumps(found), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common.add_loop_arguments(parser)
    parser.add_argument("--streams", choices=["asyncio", "sluiceway"], default="asyncio")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--warmup", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    common.run(measure(arguments), arguments)


if __name__ == "__main__":
    main()
