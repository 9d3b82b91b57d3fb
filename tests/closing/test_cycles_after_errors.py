"""The error of a failed read, write or wait is in no reference cycle, although a frame refers to the stream."""

import asyncio
import contextlib
import gc
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.non_reading_peer import PAYLOAD
from support.raw_peer import RawPeer, RawPeers

Failure = Callable[[Any, Any, RawPeer], Awaitable[object]]


def _reset(reader: Any, peer: RawPeer) -> None:
    asyncio.get_running_loop().call_soon(peer.reset)


async def _read_that_waits(reader: Any, writer: Any, peer: RawPeer) -> None:
    _reset(reader, peer)
    await reader.read(10)


async def _line_that_waits(reader: Any, writer: Any, peer: RawPeer) -> None:
    peer.send(b"part")
    _reset(reader, peer)
    await reader.readline()


async def _record_that_waits(reader: Any, writer: Any, peer: RawPeer) -> None:
    _reset(reader, peer)
    await reader.readuntil(b";")


async def _exact_read_that_waits(reader: Any, writer: Any, peer: RawPeer) -> None:
    _reset(reader, peer)
    await reader.readexactly(100_000)


async def _read_to_the_end(reader: Any, writer: Any, peer: RawPeer) -> None:
    _reset(reader, peer)
    await reader.read()


async def _second_read(reader: Any, writer: Any, peer: RawPeer) -> None:
    with contextlib.suppress(ConnectionResetError):
        await _read_that_waits(reader, writer, peer)
    await reader.read(10)


async def _drain_that_waits(reader: Any, writer: Any, peer: RawPeer) -> None:
    writer.write(PAYLOAD)
    _reset(reader, peer)
    await writer.drain()


async def _drain_after_the_loss(reader: Any, writer: Any, peer: RawPeer) -> None:
    with contextlib.suppress(ConnectionResetError):
        await _read_that_waits(reader, writer, peer)
    writer.write(b"more")
    await writer.drain()


async def _sendfile(reader: Any, writer: Any, peer: RawPeer) -> None:
    with open(__file__, "rb") as file:
        peer.reset()
        await sluiceway.Stream.from_pair(reader, writer).sendfile(file)


async def _wait_for_the_close(reader: Any, writer: Any, peer: RawPeer) -> None:
    _reset(reader, peer)
    await writer.wait_closed()


async def _wait_after_the_close(reader: Any, writer: Any, peer: RawPeer) -> None:
    with contextlib.suppress(ConnectionResetError):
        await _read_that_waits(reader, writer, peer)
    await writer.wait_closed()


async def _start_tls(reader: Any, writer: Any, peer: RawPeer) -> None:
    _reset(reader, peer)
    await writer.start_tls(ssl.create_default_context(), server_hostname="localhost")


async def _overlong_line(reader: Any, writer: Any, peer: RawPeer) -> None:
    peer.send(bytes(100_000))
    await reader.readline()


async def _overlong_record(reader: Any, writer: Any, peer: RawPeer) -> None:
    peer.send(bytes(100_000))
    await reader.readuntil(b";")


async def _incomplete_read(reader: Any, writer: Any, peer: RawPeer) -> None:
    peer.send(b"part")
    peer.half_close()
    await reader.readexactly(100_000)


async def _read_after_aclose(reader: Any, writer: Any, peer: RawPeer) -> None:
    stream = sluiceway.Stream.from_pair(reader, writer)
    await stream.aclose()
    await stream.read()


async def _read_past_its_time_limit(reader: Any, writer: Any, peer: RawPeer) -> None:
    await sluiceway.Stream.from_pair(reader, writer).read(timeout=0.001)


async def _exact_read_past_its_time_limit(reader: Any, writer: Any, peer: RawPeer) -> None:
    await sluiceway.Stream.from_pair(reader, writer).read_exactly(10, timeout=0.001)


async def _readinto_past_its_time_limit(reader: Any, writer: Any, peer: RawPeer) -> None:
    await sluiceway.Stream.from_pair(reader, writer).readinto(bytearray(10), timeout=0.001)


async def _record_past_its_time_limit(reader: Any, writer: Any, peer: RawPeer) -> None:
    await sluiceway.Stream.from_pair(reader, writer).read_until(b";", timeout=0.001)


async def _line_past_its_time_limit(reader: Any, writer: Any, peer: RawPeer) -> None:
    await sluiceway.Stream.from_pair(reader, writer).read_line(timeout=0.001)


async def _peek_past_its_time_limit(reader: Any, writer: Any, peer: RawPeer) -> None:
    await sluiceway.Stream.from_pair(reader, writer).peek(10, timeout=0.001)


async def _frame_past_its_time_limit(reader: Any, writer: Any, peer: RawPeer) -> None:
    await anext(sluiceway.Stream.from_pair(reader, writer).frames(timeout=0.001))


async def _overlong_frame_that_has_arrived(reader: Any, writer: Any, peer: RawPeer) -> None:
    stream = sluiceway.Stream.from_pair(reader, writer)
    peer.send(b"\xff" * 8)
    await stream.peek(8)
    await anext(stream.frames(max_size=9))


async def _frame_that_ends_within_its_second_piece(reader: Any, writer: Any, peer: RawPeer) -> None:
    stream = sluiceway.Stream.from_pair(reader, writer)
    peer.send(b"\0\0\0\x0fpart")
    peer.half_close()
    async for _ in stream.frames(max_size=3, overlong="chunks"):
        pass


async def _exception_thrown_into_an_iterator(reader: Any, writer: Any, peer: RawPeer) -> None:
    frames: Any = sluiceway.Stream.from_pair(reader, writer).frames()
    frames.throw(LookupError())


async def _exception_thrown_into_a_call(reader: Any, writer: Any, peer: RawPeer) -> None:
    sluiceway.pair().throw(LookupError())


async def _write_of_a_str(reader: Any, writer: Any, peer: RawPeer) -> None:
    writer.write("text")


async def _send_of_a_str(reader: Any, writer: Any, peer: RawPeer) -> None:
    await sluiceway.Stream.from_pair(reader, writer).send("text")  # type: ignore[arg-type]


async def _read_that_times_out(reader: Any, writer: Any, peer: RawPeer) -> None:
    async with asyncio.timeout(0):
        await reader.readexactly(100_000)


async def _drain_that_times_out(reader: Any, writer: Any, peer: RawPeer) -> None:
    writer.write(PAYLOAD)
    async with asyncio.timeout(0):
        await writer.drain()


FAILURES: dict[Failure, type[BaseException]] = {
    _read_that_waits: ConnectionResetError,
    _line_that_waits: ConnectionResetError,
    _record_that_waits: ConnectionResetError,
    _exact_read_that_waits: ConnectionResetError,
    _read_to_the_end: ConnectionResetError,
    _second_read: ConnectionResetError,
    _drain_that_waits: ConnectionResetError,
    _drain_after_the_loss: ConnectionResetError,
    _sendfile: ConnectionResetError,
    _wait_for_the_close: ConnectionResetError,
    _wait_after_the_close: ConnectionResetError,
    _start_tls: ConnectionResetError,
    _overlong_line: ValueError,
    _overlong_record: asyncio.LimitOverrunError,
    _incomplete_read: asyncio.IncompleteReadError,
    _read_after_aclose: ConnectionError,
    _read_past_its_time_limit: TimeoutError,
    _exact_read_past_its_time_limit: TimeoutError,
    _readinto_past_its_time_limit: TimeoutError,
    _record_past_its_time_limit: TimeoutError,
    _line_past_its_time_limit: TimeoutError,
    _peek_past_its_time_limit: TimeoutError,
    _frame_past_its_time_limit: TimeoutError,
    _overlong_frame_that_has_arrived: asyncio.LimitOverrunError,
    _frame_that_ends_within_its_second_piece: asyncio.IncompleteReadError,
    _exception_thrown_into_an_iterator: LookupError,
    _exception_thrown_into_a_call: LookupError,
    _write_of_a_str: TypeError,
    _send_of_a_str: TypeError,
    _read_that_times_out: TimeoutError,
    _drain_that_times_out: TimeoutError,
}


async def _fail(failure: Failure, reader: Any, writer: Any, peer: RawPeer) -> None:
    """Make the call fail; this frame is in the traceback of the error and refers to the connection."""
    try:
        await failure(reader, writer, peer)
    except FAILURES.get(failure, ssl.SSLEOFError):
        pass
    else:
        raise AssertionError("the call did not fail")
    writer.transport.abort()
    peer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextlib.contextmanager
def nothing_for_the_collector() -> Iterator[None]:
    """Fail if the garbage collector finds an error or an object of a connection."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield
        gc.collect()
        left = [type(thing).__name__ for thing in gc.garbage if isinstance(thing, _OF_CONNECTIONS)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


_OF_CONNECTIONS = (BaseException, asyncio.StreamReader, asyncio.StreamWriter, asyncio.BaseProtocol, asyncio.Future)


async def _run_callbacks() -> None:
    # The loop, and libuv some iterations longer, still refer to the callbacks of the close.
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__.strip("_"))
async def test_error_leaves_no_reference_cycle(failure: Failure, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    with nothing_for_the_collector():
        for _ in range(20):
            reader, writer = await sluiceway.open_connection(*listener.address)
            await _fail(failure, reader, writer, listener.accept())
            del reader, writer
        await _run_callbacks()


async def _truncated_read(reader: Any, writer: Any, peer: RawPeer) -> None:
    while await reader.read(10):
        pass


async def _truncated_line(reader: Any, writer: Any, peer: RawPeer) -> None:
    await reader.readline()
    await reader.readline()


@pytest.mark.parametrize("failure", [_truncated_read, _truncated_line])
async def test_truncated_tls_stream_leaves_no_reference_cycle(
    failure: Failure, raw_peers: RawPeers, tls: Certificates
) -> None:
    def cut(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.sock.sendall(b"a line\npart")
        peer.half_close()
        with contextlib.suppress(OSError):
            peer.receive_rest()

    near = {"ssl": tls.client_context, "server_hostname": "localhost", "strict_eof": True}
    with nothing_for_the_collector():
        for _ in range(20):
            script = raw_peers.serve(cut)
            reader, writer = await sluiceway.open_connection(*script.address, **near)
            await _fail(failure, reader, writer, raw_peers.connect(raw_peers.listen().address))
            await script.finished()
            del reader, writer
        await _run_callbacks()
