"""The measured server, with the streams of asyncio or of the package --streams. It runs under valgrind, with gate.c.

It imports only the measured package of this project, so that it also works with an older commit.
"""

# ruff: noqa: E402

import os


def move_addresses(layout: int) -> object:
    """Change the addresses and version tags of later objects.

    Both are the index of CPython's attribute cache. Collisions in it are random, and cost up to 1.5 %.
    """
    kinds = [type("Kind", (), {"name": None}) for _ in range(7 * layout)]
    # The first lookup of an attribute assigns the version tag of a class.
    tagged = [hasattr(kind, "name") for kind in kinds]
    return [kinds, tagged, [bytes(size) for size in range(16, 512, 16) for _ in range(layout)]]


LAYOUT = move_addresses(int(os.environ.get("COST_LAYOUT", "0")))

import argparse
import asyncio
import ctypes
import gc
import importlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

# Linux doubles the value, and limits it to net.core.rmem_max and wmem_max without an error. With the defaults, a record
# of 256 KiB fits as well, but the driver then waits for window probes.
BUFFER_SIZE = 1 << 20


async def lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def readuntil(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the lines of SMTP, of HTTP and of Redis."""
    while True:
        writer.write(await reader.readuntil(b"\r\n"))
        await writer.drain()


async def timed_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a program without ``read_line(timeout=)`` does."""
    while True:
        async with asyncio.timeout(5):
            line = await reader.readline()
        writer.write(line)
        await writer.drain()


async def touched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Look at the private buffer before each request, as the connection pool of redis-py does."""
    while True:
        if reader._buffer:  # type: ignore[attr-defined]
            raise AssertionError("unread data")
        writer.write(await reader.readline())
        await writer.drain()


async def frames(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = await reader.readexactly(4)
        (length,) = struct.unpack(">I", head)
        body = await reader.readexactly(length)
        writer.write(head)
        writer.write(body)
        await writer.drain()


def stream_lines(streams: Any) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in streams.lines(reader):
            writer.write(line)
        writer.close()

    return handle


def read_line(streams: Any, timeout: float | None) -> Handler:
    """Return the handler that reads each line by Stream.read_line(), with this timeout."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = streams.Stream.from_pair(reader, writer)
        if timeout is None:
            while line := await stream.read_line():
                await stream.send(line)
        else:
            while line := await stream.read_line(timeout=timeout):
                await stream.send(line)

    return handle


def stream_frames(streams: Any) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for frame in streams.frames(reader, length_bytes=4):
            writer.write(len(frame).to_bytes(4, "big") + frame)
        writer.close()

    return handle


async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def blocks(size: int) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(await reader.readexactly(size))
            await writer.drain()

    return handle


def handler_of(mode: str, size: int, streams: Any) -> Handler:
    if not hasattr(streams, "lines"):
        # asyncio, and older commits: the same records with the classic methods.
        mode = {"read-line": "lines"}.get(mode, mode.removeprefix("stream-"))
    if mode == "stream-lines":
        return stream_lines(streams)
    if mode == "stream-frames":
        return stream_frames(streams)
    if mode == "read-line":
        return read_line(streams, None)
    if mode == "timed-lines" and hasattr(streams, "lines"):
        return read_line(streams, 5)
    handlers = {
        "lines": lines,
        "readuntil": readuntil,
        "timed-lines": timed_lines,
        "touched": touched,
        "frames": frames,
        "connect": connect,
        "blocks": blocks(size),
    }
    return handlers[mode]


async def serve(arguments: argparse.Namespace) -> None:
    streams: Any = importlib.import_module(arguments.streams)
    implementation = getattr(streams, "IMPLEMENTATION", "compiled")
    wanted = "pure" if arguments.pure else "compiled"
    if arguments.streams != "asyncio" and implementation != wanted:
        raise SystemExit(f"{arguments.streams} uses the {implementation} core; the figures are for the {wanted} core")
    context = None
    if arguments.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*arguments.tls)
    server = await streams.start_server(
        handler_of(arguments.mode, arguments.size, streams), "127.0.0.1", 0, ssl=context
    )
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        server.sockets[0].setsockopt(socket.SOL_SOCKET, option, BUFFER_SIZE)
    # A garbage collection costs as much as hundreds of messages. One more object at start could move it into the
    # window.
    gc.collect()
    gc.disable()
    # The C library keeps large blocks only after one was freed, and asyncio allocates one for each receive.
    large = bytearray(1 << 20)
    del large
    print(server.sockets[0].getsockname()[1], streams.__file__, flush=True)
    ctypes.CDLL(None).cost_open_gate(arguments.gate)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", required=True, help="import name of asyncio or of the measured package")
    parser.add_argument(
        "--mode",
        choices=[
            "lines",
            "readuntil",
            "timed-lines",
            "read-line",
            "touched",
            "frames",
            "stream-lines",
            "stream-frames",
            "connect",
            "blocks",
        ],
        required=True,
    )
    parser.add_argument("--size", type=int, default=0, help="size of a block in bytes")
    parser.add_argument("--pure", action="store_true", help="expect the pure core")
    parser.add_argument("--gate", type=int, required=True, help="file descriptor of the gate's socket")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
