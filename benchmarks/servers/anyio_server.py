"""A server on anyio, on its asyncio back end, with its buffered streams."""

import argparse
import struct
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

import common

LIMIT = 65536  # of a line; anyio requires a limit, and this is asyncio's


def handler_of(mode: str, size: int) -> Callable[[SocketStream], Awaitable[None]]:
    async def lines(stream: SocketStream) -> None:
        reader = BufferedByteReceiveStream(stream)
        while True:
            await stream.send(await reader.receive_until(b"\n", LIMIT) + b"\n")

    async def connect(stream: SocketStream) -> None:
        await stream.send(await BufferedByteReceiveStream(stream).receive_until(b"\n", LIMIT) + b"\n")

    async def records(stream: SocketStream) -> None:
        reader = BufferedByteReceiveStream(stream)
        while True:
            await stream.send(await reader.receive_exactly(size))

    async def frames(stream: SocketStream) -> None:
        reader = BufferedByteReceiveStream(stream)
        while True:
            head = await reader.receive_exactly(4)
            (length,) = struct.unpack(">I", head)
            await stream.send(head + await reader.receive_exactly(length))

    async def blocks(stream: SocketStream) -> None:
        reader = BufferedByteReceiveStream(stream)
        while True:
            record = await reader.receive_exactly(size)
            await stream.send(record[-1:])

    async def sink(stream: SocketStream) -> None:
        count = 0
        try:
            while True:
                count += len(await stream.receive(common.BLOCK_SIZE))
        except anyio.EndOfStream:
            await stream.send(b"%d\n" % count)

    async def source(stream: SocketStream) -> None:
        block = common.source_block(size)
        while True:
            await stream.send(block)

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


async def serve(handler: Callable[[SocketStream], Awaitable[None]]) -> None:
    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                await handler(stream)
            except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
                pass  # the load generator has closed the connection

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    common.announce(listener.extra(SocketAttribute.local_port))
    await listener.serve(handle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common.add_arguments(parser)
    arguments = parser.parse_args()
    common.prepare()
    anyio.run(serve, handler_of(arguments.mode, arguments.size), backend="asyncio")


if __name__ == "__main__":
    main()
