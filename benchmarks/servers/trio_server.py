"""A server on trio, with the code for lines and exact sizes, which trio's streams do not have."""

import argparse
import struct
from collections.abc import Awaitable, Callable

import trio

import common


class Reader:
    """Reads records from a stream, and stores the bytes received after them."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = bytearray()

    async def _more(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise trio.EndOfChannel
        self.buffer += data

    def _take(self, size: int) -> bytes:
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    async def line(self) -> bytes:
        searched = 0
        while not (end := self.buffer.find(b"\n", searched) + 1):
            searched = len(self.buffer)
            await self._more()
        return self._take(end)

    async def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            await self._more()
        return self._take(size)


def handler_of(mode: str, size: int) -> Callable[[trio.SocketStream], Awaitable[None]]:
    async def lines(stream: trio.SocketStream) -> None:
        reader = Reader(stream)
        while True:
            await stream.send_all(await reader.line())

    async def connect(stream: trio.SocketStream) -> None:
        await stream.send_all(await Reader(stream).line())

    async def records(stream: trio.SocketStream) -> None:
        reader = Reader(stream)
        while True:
            await stream.send_all(await reader.exactly(size))

    async def frames(stream: trio.SocketStream) -> None:
        reader = Reader(stream)
        while True:
            head = await reader.exactly(4)
            (length,) = struct.unpack(">I", head)
            await stream.send_all(head + await reader.exactly(length))

    async def blocks(stream: trio.SocketStream) -> None:
        reader = Reader(stream)
        while True:
            record = await reader.exactly(size)
            await stream.send_all(record[-1:])

    async def sink(stream: trio.SocketStream) -> None:
        count = 0
        while data := await stream.receive_some(common.BLOCK_SIZE):
            count += len(data)
        await stream.send_all(b"%d\n" % count)

    async def source(stream: trio.SocketStream) -> None:
        block = common.source_block(size)
        while True:
            await stream.send_all(block)

    handlers = {
        "lines": lines,
        "connect": connect,
        "records": records,
        "frames": frames,
        "blocks": blocks,
        "sink": sink,
        "source": source,
    }
    return handlers[mode]


async def serve(handler: Callable[[trio.SocketStream], Awaitable[None]]) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        try:
            await handler(stream)
        except (trio.EndOfChannel, trio.BrokenResourceError):
            pass  # the load generator has closed the connection

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            lambda task_status: trio.serve_tcp(handle, 0, host="127.0.0.1", task_status=task_status)
        )
        common.announce(listeners[0].socket.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common.add_arguments(parser)
    arguments = parser.parse_args()
    common.prepare()
    trio.run(serve, handler_of(arguments.mode, arguments.size))


if __name__ == "__main__":
    main()
