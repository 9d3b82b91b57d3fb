"""redis.asyncio with hiredis: tasks that each SET a value and GET it, over a connection of the client's pool.

The program measures its own window. It prints one JSON line in the format of the load generator, with its CPU time.
"""

import asyncio
import json
import time
from typing import Any

import choosing
import sampling


class Progress:
    """The number of completed operations, and whether the tasks continue."""

    count = 0
    over = False


async def talk(client: Any, name: int, size: int, progress: Progress) -> None:
    key, number = f"key {name}", 0
    while not progress.over:  # the client suppresses some cancellations
        value = (b"%d-%d " % (name, number)).ljust(size, b"x")
        number += 1
        if await client.set(key, value) is not True:
            raise ValueError("SET was not confirmed")
        progress.count += 1
        if await client.get(key) != value:
            raise ValueError("the value of GET differs from the value of SET")
        progress.count += 1


async def measure(arguments: Any) -> None:
    import redis.asyncio
    from redis.asyncio.connection import Connection

    pool = redis.asyncio.BlockingConnectionPool(
        host="127.0.0.1", port=arguments.port, max_connections=arguments.connections
    )
    if "Hiredis" not in type(Connection()._parser).__name__:
        raise RuntimeError("hiredis is not used")
    client = redis.asyncio.Redis.from_pool(pool)
    progress = Progress()
    async with asyncio.TaskGroup() as group:
        for name in range(arguments.connections):
            group.create_task(talk(client, name, arguments.size, progress))
        await asyncio.sleep(arguments.warmup)
        if arguments.profile:
            sampling.begin()
        operations, cpu, clock = progress.count, time.process_time(), time.monotonic()
        waited = choosing.common.waited()
        await asyncio.sleep(arguments.seconds)
        operations, cpu, clock = progress.count - operations, time.process_time() - cpu, time.monotonic() - clock
        waited = choosing.common.waited() - waited
        if arguments.profile:
            sampling.end(arguments.profile)
        progress.over = True
    await client.aclose()
    found = {
        "messages": operations,
        "bytes": operations * arguments.size,
        "seconds": clock,
        "cpu_seconds": cpu,
        "load_cpu_seconds": 0.0,
        "waited_seconds": waited,
        "p50_us": 0.0,
        "p99_us": 0.0,
    }
    print(json.dumps(found), flush=True)


def main() -> None:
    parser = choosing.parser(__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--warmup", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    choosing.chosen(arguments)
    choosing.run(measure(arguments), arguments)


if __name__ == "__main__":
    main()
