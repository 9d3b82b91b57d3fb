"""A server and clients in one process whose descriptor limit both reach repeatedly.

Usage: python descriptor_limit_program.py asyncio|uvloop

Each line of a client is echoed, or its connect fails with EMFILE. At the end no descriptor is left open. Errors go to
standard error.
"""

import asyncio
import errno
import gc
import logging
import os
import random
import resource
import sys
from typing import Any

import sluiceway
from sluiceway._net import accept

LIMIT = 64
# Few enough that the server has descriptors left to accept with.
CLIENTS = 40
CONNECTIONS_PER_CLIENT = 10


class DescriptorErrors(logging.Handler):
    """Counts the calls of connect and accept that failed with EMFILE; those of accept are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.occurred = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.record_error()

    def record_error(self) -> None:
        self.count += 1
        self.occurred.set()


async def echo(reader: Any, writer: Any) -> None:
    async for line in reader:
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


class Client:
    """Makes CONNECTIONS_PER_CLIENT connections; the first stays open until the limit was reached."""

    def __init__(self, number: int, descriptor_errors: DescriptorErrors) -> None:
        self.random = random.Random(number)
        self.number = number
        self.descriptor_errors = descriptor_errors

    async def run(self, address: tuple[str, int]) -> None:
        done = 0
        while done < CONNECTIONS_PER_CLIENT:
            try:
                reader, writer = await sluiceway.open_connection(*address)
            except OSError as error:
                if error.errno != errno.EMFILE:
                    raise
                self.descriptor_errors.record_error()
                # The other clients need time to close.
                await asyncio.sleep(self.random.random() / 100)
                continue
            for turn in range(self.random.randrange(1, 5)):
                line = b"%d of %d in %d\n" % (turn, done, self.number)
                writer.write(line)
                answer = await reader.readline()
                assert answer == line, (answer, line)
                await self.descriptor_errors.occurred.wait()
            writer.close()
            await writer.wait_closed()
            done += 1


async def main() -> int:
    descriptor_errors = DescriptorErrors()
    logger = logging.getLogger("sluiceway")
    logger.addHandler(descriptor_errors)
    server = await sluiceway.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    clients = [Client(number, descriptor_errors) for number in range(CLIENTS)]
    await asyncio.gather(*(client.run(address) for client in clients))
    server.close()
    await server.wait_closed()
    logger.removeHandler(descriptor_errors)
    return descriptor_errors.count


def run(kind: str) -> int:
    if kind == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    else:
        factory = asyncio.SelectorEventLoop
    with asyncio.Runner(loop_factory=factory, debug=False) as runner:
        times = runner.run(main())
    gc.collect()
    return times


def open_numbers() -> list[int]:
    # Without the descriptor of listdir() itself.
    return [number for number in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{number}")]


if __name__ == "__main__":
    accept.ACCEPT_RETRY_DELAY = 0.005  # type: ignore[misc]
    # The first loop opens descriptors that stay open for the process. Debug mode would log slow callbacks.
    asyncio.Runner(debug=False).run(asyncio.sleep(0))
    if sys.argv[1] == "uvloop":
        import uvloop

        asyncio.Runner(debug=False, loop_factory=uvloop.new_event_loop).run(asyncio.sleep(0))
    gc.collect()
    before = open_numbers()
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    times = run(sys.argv[1])
    assert times
    assert open_numbers() == before, (open_numbers(), before)
    print("no descriptor left, no line lost")
