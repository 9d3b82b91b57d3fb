"""A server on asyncio's or sluiceway's streams, with the same handlers for both.

``--transports aiofastnet`` selects aiofastnet's transports, with the loop factory of its documentation.
"""

import argparse
import asyncio
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import common

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def handler_of(mode: str, size: int) -> Handler:
    async def lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        writer.write(line)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def records(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            record = await reader.readexactly(size)
            writer.write(record)
            await writer.drain()

    async def frames(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readexactly(4)
            (length,) = struct.unpack(">I", head)
            body = await reader.readexactly(length)
            writer.write(head)
            writer.write(body)
            await writer.drain()

    async def blocks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            record = await reader.readexactly(size)
            writer.write(record[-1:])
            await writer.drain()

    async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = 0
        while data := await reader.read(common.BLOCK_SIZE):
            count += len(data)
        writer.write(b"%d\n" % count)
        await writer.drain()
        writer.close()

    async def source(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        block = common.source_block(size)
        while True:
            writer.write(block)
            await writer.drain()

    handlers: dict[str, Handler] = {
        "lines": lines,
        "connect": connect,
        "records": records,
        "frames": frames,
        "blocks": blocks,
        "sink": sink,
        "source": source,
    }
    return handlers[mode]


def until_the_end(handler: Handler) -> Handler:
    """Ignore the error of a handler whose connection the load generator has closed."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return handle


async def _serve_on_transports_of_loop(handler: Any, *arguments: Any, **options: Any) -> asyncio.Server:
    import sluiceway

    def protocol() -> sluiceway.StreamReaderProtocol:
        return sluiceway.StreamReaderProtocol(sluiceway.StreamReader(), handler)

    return await asyncio.get_running_loop().create_server(protocol, *arguments, **options)


async def serve(streams: str, transports: str, handler: Handler, tls: ssl.SSLContext | None) -> None:
    if streams == "sluiceway":
        import sluiceway

        start_server: Any = sluiceway.start_server
        if transports == "aiofastnet":
            # Its loop has transports of its own, which start_server of sluiceway does not use.
            start_server = _serve_on_transports_of_loop
    else:
        start_server = asyncio.start_server
    server = await start_server(handler, "127.0.0.1", 0, ssl=tls)
    common.announce(server.sockets[0].getsockname()[1])
    await common.until_terminated()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common.add_arguments(parser)
    common.add_tls_argument(parser)
    common.add_loop_arguments(parser)
    parser.add_argument("--streams", choices=["asyncio", "sluiceway"], default="asyncio")
    arguments = parser.parse_args()
    handler = until_the_end(handler_of(arguments.mode, arguments.size))
    common.run(serve(arguments.streams, arguments.transports, handler, common.tls_context(arguments)), arguments)


if __name__ == "__main__":
    main()
