"""What a type checker knows about the public names. It is never executed.

`make check` runs mypy --strict and pyright over this. Both report a `type: ignore` that has nothing to ignore, so each
of them asserts that the line is rejected.
"""

import asyncio
import contextlib
import math
import pathlib
import socket
import ssl
import subprocess
from functools import partial
from typing import Any, Literal, assert_type

import sluiceway


async def connecting() -> None:
    reader, writer = await sluiceway.open_connection("localhost", 80)
    assert_type(reader, sluiceway.StreamReader)
    assert_type(writer, sluiceway.StreamWriter)
    assert_type(
        await sluiceway.open_connection(
            "::1", "https", limit=2**20, ssl=True, happy_eyeballs_delay=0.25, all_errors=True
        ),
        tuple[sluiceway.StreamReader, sluiceway.StreamWriter],
    )
    assert_type(
        await sluiceway.open_unix_connection(
            pathlib.Path("s"), ssl=ssl.create_default_context(), server_hostname="name"
        ),
        tuple[sluiceway.StreamReader, sluiceway.StreamWriter],
    )
    await sluiceway.open_connection("localhost", 80, limit=None, loop=None)
    await sluiceway.open_connection("localhost", 80, limit="many")  # type: ignore[arg-type]
    await sluiceway.open_connection("localhost", 80, sll=True)  # type: ignore[call-arg]


async def resolve(host: str, port: int) -> list[str | tuple[str, int]]:
    return [host, (host, port)]


async def connecting_streams(session: ssl.SSLSession) -> None:
    assert_type(await sluiceway.connect("tcp://localhost:80"), sluiceway.Stream)
    async with sluiceway.connect(
        "tls://localhost:443",
        tls=ssl.create_default_context(),
        timeout=5,
        local="127.0.0.1",
        keepalive=(60, 10, 6),
        resolver=resolve,
        configure_socket=lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20),
        session=session,
        server_hostname="localhost",
        limit=2**20,
    ) as stream:
        assert_type(stream, sluiceway.Stream)
        assert_type(stream.timings, sluiceway.ConnectTimings | None)
    sluiceway.connect(socket.socket())
    sluiceway.connect(5, tls=True)
    sluiceway.connect(b"localhost:80")  # type: ignore[arg-type]
    sluiceway.connect("localhost:80", keepalive=60)  # type: ignore[arg-type]
    sluiceway.connect("localhost:80", resolver=lambda host, port: [host])  # type: ignore[arg-type, return-value]
    sluiceway.connect("localhost:80", ssl=True)  # type: ignore[call-arg]
    try:
        await sluiceway.connect("localhost:80")
    except sluiceway.ConnectError as error:
        assert_type(error.exceptions, tuple[OSError, ...])
        assert_type(error.timings.attempts, tuple[sluiceway.ConnectAttempt, ...])
        assert_type(error.timings.attempts[0].error, OSError | None)


async def opening_streams() -> None:
    async with sluiceway.pair() as (first, second):
        assert_type(first, sluiceway.Stream)
        first.readline()  # type: ignore[attr-defined]
    first, second = await sluiceway.pair(limit=100)
    assert_type(second, sluiceway.Stream)
    assert_type(await sluiceway.pipe(5), sluiceway.Stream)
    assert_type(await sluiceway.stdio(), sluiceway.Stream)
    sluiceway.pipe("5")  # type: ignore[arg-type]
    async with sluiceway.spawn(b"ls", pathlib.Path("."), stderr=subprocess.PIPE, env={"A": "b"}) as child:
        assert_type(child, sluiceway.ChildProcess)
        assert_type(child.stdio, sluiceway.Stream)
        assert_type(child.stderr, sluiceway.Stream | None)
        assert_type(child.returncode, int | None)
        assert_type(await child.wait(), int)
        child.stdin.write(b"data")  # type: ignore[attr-defined]
    opening: sluiceway.Opening[sluiceway.ChildProcess] = sluiceway.spawn("ls", stop_timeout=1.5)
    assert_type(await opening.__aenter__(), sluiceway.ChildProcess)
    sluiceway.spawn("ls", 5)  # type: ignore[arg-type]
    sluiceway.spawn(["ls", "-l"])  # type: ignore[arg-type]

    @sluiceway.stream_handler
    async def handle(stream: sluiceway.Stream) -> None:
        await stream.send(b"data")

    await sluiceway.start_server(handle, "localhost", 80)
    sluiceway.stream_handler(lambda reader, writer: None)  # type: ignore[misc, arg-type]


async def reading(reader: sluiceway.StreamReader) -> None:
    assert_type(await reader.read(), bytes)
    assert_type(await reader.read(100), bytes)
    assert_type(await reader.readline(), bytes)
    assert_type(await reader.readexactly(4), bytes)
    assert_type(await reader.readuntil(), bytes)
    assert_type(await reader.readuntil(b"\r\n"), bytes)
    assert_type(await reader.readuntil((b"\r\n", b"\n")), bytes)
    assert_type(reader.at_eof(), bool)
    assert_type(reader.exception(), BaseException | None)
    assert_type(reader.eof_reason, Literal["clean", "truncated", "reset", "idle timeout", "closed"] | None)
    async for line in reader:
        assert_type(line, bytes)
    await reader.readuntil(memoryview(b"\r\n"))
    await reader.read("4")  # type: ignore[arg-type]
    await reader.readexactly("4")  # type: ignore[arg-type]
    await reader.readuntil("x")  # type: ignore[arg-type]
    await reader.readuntil((b"x", "y"))  # type: ignore[arg-type]
    await reader.readuntil(5)  # type: ignore[arg-type]
    reader.feed_data(b"bytes")
    reader.feed_data("str")  # type: ignore[arg-type]
    reader.set_transport(None)  # type: ignore[arg-type]


async def writing(writer: sluiceway.StreamWriter, context: ssl.SSLContext) -> None:
    writer.write(b"bytes")
    writer.write(bytearray(b"bytes"))
    writer.write(memoryview(b"bytes"))
    writer.writelines([b"a", bytearray(b"b"), memoryview(b"c")])
    writer.write("str")  # type: ignore[arg-type]
    writer.write(5)  # type: ignore[arg-type]
    writer.write(None)  # type: ignore[arg-type]
    writer.write([1, 2])  # type: ignore[arg-type]
    writer.writelines(["a"])  # type: ignore[list-item]
    writer.writelines("a")  # type: ignore[arg-type]
    writer.writelines(b"a")  # type: ignore[arg-type]
    await writer.drain()
    assert_type(writer.transport, asyncio.WriteTransport)
    await writer.start_tls(True)  # type: ignore[arg-type]
    await writer.start_tls(context, server_hostname="localhost")
    assert_type(writer.is_closing(), bool)
    assert_type(writer.can_write_eof(), bool)
    assert_type(writer.get_extra_info("peername"), Any)
    writer.write_eof()
    writer.close()
    await writer.wait_closed()
    asyncio.create_task(writer.drain())


async def handler(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    writer.write(await reader.readline())


def plain_handler(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    writer.close()


async def named_handler(name: str, reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    await handler(reader, writer)


def counting_handler(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> int:
    return 1


async def serving() -> None:
    server = await sluiceway.start_server(handler, "127.0.0.1", 0, backlog=10, reuse_port=True, start_serving=False)
    assert_type(server, sluiceway.Server)
    async with server:
        await server.start_serving()
        assert_type(server.is_serving(), bool)
        assert_type(server.get_loop(), asyncio.AbstractEventLoop)
        server.close_clients()
        server.abort_clients()
        server.close()
        await server.wait_closed()
    await sluiceway.start_server(plain_handler, port=0)
    await sluiceway.start_server(partial(named_handler, "name"), port=0)
    assert_type(await sluiceway.start_unix_server(handler, b"s", cleanup_socket=False), sluiceway.Server)
    assert_type(server.sockets, tuple[socket.socket, ...])
    await sluiceway.start_server(lambda reader: None, port=0)  # type: ignore[misc, arg-type]
    await sluiceway.start_server(counting_handler, port=0)  # type: ignore[arg-type]
    await sluiceway.start_server(None, port=0)  # type: ignore[arg-type]
    await sluiceway.start_server(handler, port=0, backlog="10")  # type: ignore[arg-type]


def in_place_of_asyncio(
    reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return reader, writer


async def errors(reader: sluiceway.StreamReader) -> None:
    try:
        await reader.readexactly(1)
    except sluiceway.IncompleteReadError as incomplete:
        assert_type(incomplete.partial, bytes)
        assert_type(incomplete.expected, int | None)
    except sluiceway.LimitOverrunError as overrun:
        assert_type(overrun.consumed, int)
    except (sluiceway.PlaintextBeforeTLSError, sluiceway.UnixPathError) as other:
        same: OSError = other
        raise same


async def streams(stream: sluiceway.Stream) -> None:
    info = await stream.aclose(timeout=5, linger=1.5)
    assert_type(info, sluiceway.CloseInfo)
    assert_type(info.reason, Literal["closed", "aborted", "timeout", "close timeout", "idle timeout", "reset"])
    assert_type(info.close_notify_received, bool | None)
    assert_type(await stream.read_line(timeout=5), bytes)
    assert_type(stream.stats, sluiceway.StreamStats)
    assert_type(stream.tls, sluiceway.TLSDetails | None)
    await stream.send([b"a", memoryview(b"b")], timeout=1)
    await stream.send("text")  # type: ignore[arg-type]
    stream.idle_timeout = 60
    async with stream.deadline(5) as deadline:
        assert_type(deadline.expired(), bool)


class CountingReader(sluiceway.StreamReader):
    count = 0

    async def readline(self) -> bytes:
        self.count += 1
        return await super().readline()


class OwnProtocol(sluiceway.StreamReaderProtocol):
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)


def classes(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
    reader = CountingReader(limit=100, loop=loop)
    protocol = OwnProtocol(reader, loop=loop)
    assert_type(sluiceway.StreamWriter(transport, protocol, reader, loop), sluiceway.StreamWriter)
    sluiceway.StreamWriter(None, protocol, reader, loop)  # type: ignore[arg-type]
    sluiceway.StreamWriter(transport, reader, reader, loop)  # type: ignore[arg-type]
    sluiceway.StreamReader(limit="many", loop=loop)  # type: ignore[arg-type]
    assert_type(as_asyncio_protocol(protocol), asyncio.StreamReaderProtocol)


def as_asyncio_protocol(protocol: asyncio.StreamReaderProtocol) -> asyncio.StreamReaderProtocol:
    return protocol


def installing() -> None:
    sluiceway.install()
    sluiceway.uninstall()
    with sluiceway.installed():
        pass
    assert_type(sluiceway.is_installed(), bool)
    assert_type(sluiceway.__version__, str)
    assert_type(sluiceway.IMPLEMENTATION, Literal["pure", "compiled"])
    assert_type(sluiceway.ENGINE, Literal["epoll", "loop"])


def installed_for_a_while() -> contextlib.AbstractContextManager[None]:
    return sluiceway.installed()


async def framing(
    reader: asyncio.StreamReader, ours: sluiceway.StreamReader, process: asyncio.subprocess.Process
) -> None:
    async for line in sluiceway.lines(reader, max_length=1 << 20, overlong="skip"):
        assert_type(line, bytes)
    async for piece in sluiceway.lines(ours, overlong="chunks"):
        assert_type(piece, sluiceway.Piece)
        assert_type(piece.last, bool)
    records = sluiceway.records(ours, (b"|", b"\r\n"), overlong="truncate")
    assert_type(records, sluiceway.Records[bytes])
    assert_type(records.skipped, int)
    assert_type(await anext(sluiceway.frames(ours, length_bytes=8, byteorder="little", max_size=9)), bytes)
    assert_type(await anext(sluiceway.frames(ours, overlong="chunks")), sluiceway.Piece)
    if process.stdout is not None:
        sluiceway.lines(process.stdout)
    sluiceway.lines(process.stdout)  # type: ignore[arg-type]
    sluiceway.lines(ours, overlong="drop")  # type: ignore[call-overload]
    sluiceway.frames(ours, length_bytes=3)  # type: ignore[call-overload]
    sluiceway.frames(ours, byteorder="network")  # type: ignore[call-overload]


async def reading_streams(stream: sluiceway.Stream) -> None:
    assert_type(await stream.read(), bytes)
    assert_type(await stream.read_exactly(4), bytes)
    assert_type(await stream.read_until((b"\r\n", b"\n"), max_length=100), bytes)
    assert_type(await stream.read_line(max_length=100), bytes)
    assert_type(await stream.read_all(max=100), bytes)
    # No limit.
    await stream.read(math.inf)
    await stream.read_until(b"\n", max_length=math.inf)
    await stream.read_line(max_length=math.inf)
    await stream.read_all(max=math.inf)
    await stream.read_exactly(math.inf)  # type: ignore[arg-type]
    assert_type(await stream.peek(4), bytes)
    assert_type(await stream.readinto(bytearray(10)), int)
    assert_type(await anext(stream.lines(overlong="skip")), bytes)
    assert_type(await anext(stream.records(b"|", overlong="chunks")), sluiceway.Piece)
    assert_type(await anext(stream.frames(length_bytes=2)), bytes)
    await stream.send_frame(b"frame", length_bytes=2, byteorder="little")
    await stream.read_line(100)  # type: ignore[call-arg]
    await stream.read_exactly("4")  # type: ignore[arg-type]
    await stream.send_frame("text")  # type: ignore[arg-type]
