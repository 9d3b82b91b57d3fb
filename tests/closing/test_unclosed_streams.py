"""X5: dropping an unclosed reader and writer warns once and closes; dropping one of them does not affect the other."""

import asyncio
import functools
import gc
import os
import socket
import sys
import threading
import tracemalloc
import warnings
from typing import Any

import pytest

import sluiceway
from support import loops
from support.collector import recorded_warnings
from support.connections import server_address
from support.file_descriptors import is_descriptor_open, socket_descriptor
from support.non_reading_peer import PAYLOAD
from support.raw_peer import RawPeer, RawPeers
from support.timeouts import PEER_TIMEOUT


def only_warning(found: list[warnings.WarningMessage]) -> str:
    assert [warning.category for warning in found] == [ResourceWarning], [str(warning.message) for warning in found]
    return str(found[0].message)


async def run_loop() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def open_raw(raw_peers: RawPeers, **more: Any) -> tuple[Any, Any, RawPeer]:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address, **more)
    return reader, writer, listener.accept()


@pytest.mark.parametrize("first", ["reader", "writer"])
async def test_dropping_reader_and_writer_warns_once_and_closes(raw_peers: RawPeers, first: str) -> None:
    """X5: one ResourceWarning when the second is dropped; the peer receives EOF; the descriptor is closed."""
    reader, writer, peer = await open_raw(raw_peers)
    descriptor = socket_descriptor(writer)
    ends = "connection {}:{} -> {}:{}".format(*writer.get_extra_info("sockname"), *writer.get_extra_info("peername"))
    with recorded_warnings() as found:
        if first == "reader":
            del reader
            await run_loop()
            assert found == []
            del writer
        else:
            del writer
            await run_loop()
            assert found == []
            del reader
        assert only_warning(found).startswith("unclosed <StreamWriter transport=")
        assert f">, {ends}" in only_warning(found)
        await run_loop()
        assert await peer.in_thread(peer.receive_rest) == b""
        await run_loop()
        assert not is_descriptor_open(descriptor)
        only_warning(found)


async def test_dropping_a_unix_connection_warns_once_and_closes(raw_peers: RawPeers, unix_path: str) -> None:
    """X5: the peer receives EOF."""
    listener = raw_peers.listen(unix=unix_path)
    pair = await sluiceway.open_unix_connection(unix_path)
    peer = listener.accept()
    with recorded_warnings() as found:
        del pair
        assert only_warning(found).startswith("unclosed <StreamWriter")
        assert await peer.in_thread(peer.receive_rest) == b""
        await run_loop()


async def test_dropping_a_tls_connection_warns_once_and_sends_close_notify(raw_peers: RawPeers, tls: Any) -> None:
    """X5: the TLS stream of the peer is not truncated."""

    def receive_close_notify(peer: RawPeer) -> bytes:
        peer.start_tls(tls.server_context, server_side=True)
        data = peer.receive_rest()
        peer.unwrap_tls()
        return data

    script = raw_peers.serve(receive_close_notify)
    pair = await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    with recorded_warnings() as found:
        del pair
        assert only_warning(found).startswith("unclosed <StreamWriter")
        assert await script.finished() == b""
        await run_loop()
        only_warning(found)


async def test_pending_data_of_a_dropped_connection_is_sent(raw_peers: RawPeers) -> None:
    """X5: dropping closes like close(), which sends pending data."""
    reader, writer, peer = await open_raw(raw_peers)
    with recorded_warnings() as found:
        writer.write(PAYLOAD)
        del reader, writer
        only_warning(found)
        assert await peer.in_thread(peer.receive_rest) == PAYLOAD
        await run_loop()


async def test_dropped_connection_whose_peer_never_reads_is_aborted_after_close_timeout(raw_peers: RawPeers) -> None:
    """X5, X1: close_timeout also bounds the close of a dropped connection."""
    reader, writer, peer = await open_raw(raw_peers, close_timeout=0.05)
    descriptor = socket_descriptor(writer)
    with recorded_warnings() as found:
        writer.write(PAYLOAD)
        del reader, writer
        only_warning(found)
        while is_descriptor_open(descriptor):
            await asyncio.sleep(0)
        peer.close()


async def test_dropped_reader_leaves_the_writer_usable(raw_peers: RawPeers) -> None:
    """X5: a program that only writes may drop the reader, also while the peer sends data and EOF."""
    reader, writer, peer = await open_raw(raw_peers)
    with recorded_warnings() as found:
        del reader
        for piece in (b"one", b"two"):
            peer.send(b"unread")
            writer.write(piece)
            await writer.drain()
            await run_loop()
            assert await peer.in_thread(peer.receive, 3) == piece
        peer.half_close()
        await run_loop()
        writer.write(b"three")
        await writer.drain()
        assert await peer.in_thread(peer.receive, 5) == b"three"
        writer.close()
        await writer.wait_closed()
        del writer
        assert found == []


async def test_dropped_writer_leaves_the_reader_usable(raw_peers: RawPeers) -> None:
    """X5: a program that only reads may drop the writer (gh-109986); dropping the reader then warns and closes."""
    reader, writer, peer = await open_raw(raw_peers)
    with recorded_warnings() as found:
        del writer
        for piece in (b"one", b"two"):
            reading = asyncio.create_task(reader.readexactly(3))
            await run_loop()
            peer.send(piece)
            assert await reading == piece
        peer.send(b"the rest")
        peer.half_close()
        assert await reader.read() == b"the rest"
        assert found == []
        del reader, reading
        only_warning(found)
        assert await peer.in_thread(peer.receive_rest) == b""
        await run_loop()


async def test_pending_read_keeps_a_dropped_connection_open(raw_peers: RawPeers) -> None:
    """X5: a task that waits in a read refers to the reader."""
    reader, writer, peer = await open_raw(raw_peers)
    with recorded_warnings() as found:
        reading = asyncio.create_task(reader.readline())
        await run_loop()
        del reader, writer
        await run_loop()
        assert found == []
        peer.send(b"a line\n")
        assert await reading == b"a line\n"
        del reading
        await run_loop()
        only_warning(found)
        assert await peer.in_thread(peer.receive_rest) == b""
        await run_loop()


async def test_dropping_the_writer_after_eof_warns_and_closes(raw_peers: RawPeers) -> None:
    """X5: after EOF the reader no longer keeps the connection open, as in asyncio."""
    reader, writer, peer = await open_raw(raw_peers)
    peer.half_close()
    assert await reader.read() == b""
    with recorded_warnings() as found:
        del writer
        assert only_warning(found).startswith("unclosed <StreamWriter")
        assert await peer.in_thread(peer.receive_rest) == b""
        await run_loop()
        del reader
        only_warning(found)


async def test_dropping_a_closed_or_reset_connection_does_not_warn(raw_peers: RawPeers) -> None:
    """X5: after close() with or without wait_closed(), after abort(), after a reset."""
    with recorded_warnings() as found:
        for end in ("close", "close and wait", "abort", "transport.close", "reset"):
            reader, writer, peer = await open_raw(raw_peers)
            if end == "abort":
                writer.transport.abort()
            elif end == "transport.close":
                writer.transport.close()
            elif end == "reset":
                peer.reset()
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            else:
                writer.close()
                if end == "close and wait":
                    await writer.wait_closed()
            del reader, writer
            await run_loop()
        assert found == []


async def test_warning_shows_where_the_connection_was_opened(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X5: with tracemalloc, the source of the warning has the traceback of open_connection()."""
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start(10)
    try:
        pair = await open_raw(raw_peers)
        traces: list[Any] = []

        def show(message: warnings.WarningMessage) -> None:
            # The traceback exists as long as the object, as when the interpreter prints the warning.
            traces.append(tracemalloc.get_object_traceback(message.source))

        with recorded_warnings():
            monkeypatch.setattr(warnings, "_showwarnmsg_impl", show)
            del pair
            monkeypatch.undo()
            await run_loop()
        assert len(traces) == 1
        assert traces[0] is not None
        assert any(frame.filename == __file__ for frame in traces[0])
    finally:
        if not was_tracing:
            tracemalloc.stop()


async def drop_streams(_reader: Any, _writer: Any) -> None:
    """Return without close()."""


@pytest.mark.parametrize("wrap", [lambda handler: handler, functools.partial, sluiceway.stream_handler])
async def test_debug_warning_names_the_handler_of_the_accepted_connection(wrap: Any, raw_peers: RawPeers) -> None:
    """X5: also if the handler is within a partial or a wrapper."""
    asyncio.get_running_loop().set_debug(True)
    handler = wrap(drop_streams)
    if wrap is sluiceway.stream_handler:
        handler = functools.wraps(handler)(lambda _reader, _writer: None)
    async with await sluiceway.start_server(handler, "127.0.0.1", 0) as server:
        with recorded_warnings() as found:
            peer = raw_peers.connect(server_address(server))
            assert await peer.in_thread(peer.receive_rest) == b""
            await run_loop()
    line = drop_streams.__code__.co_firstlineno
    expected = f'; the connection was accepted for the handler drop_streams, File "{__file__}", line {line}'
    assert only_warning(found).endswith(expected)


class EndlessHandler:
    """Has every attribute, and so the attribute of a wrapper without end."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, _reader: Any, _writer: Any) -> None:
        """Drop the streams."""


async def test_unclosed_connection_is_closed_in_debug_mode_if_its_handler_cannot_be_described(
    raw_peers: RawPeers,
) -> None:
    asyncio.get_running_loop().set_debug(True)
    async with await sluiceway.start_server(EndlessHandler(), "127.0.0.1", 0) as server:
        with recorded_warnings() as found:
            peer = raw_peers.connect(server_address(server))
            assert await peer.in_thread(peer.receive_rest) == b""
            await run_loop()
    assert "was accepted for the handler <" in only_warning(found)
    assert only_warning(found).endswith(">")


async def test_connection_dropped_in_a_thread_is_closed_by_the_loop(raw_peers: RawPeers) -> None:
    """X5: one warning in the thread; the loop's thread closes the connection."""
    reader, writer, peer = await open_raw(raw_peers)
    descriptor = socket_descriptor(writer)
    references = [reader, writer]
    del reader, writer
    with recorded_warnings() as found:
        # The loop does not run meanwhile, so it cannot have closed the connection.
        thread = threading.Thread(target=references.clear)
        thread.start()
        thread.join()
        assert only_warning(found).startswith("unclosed <StreamWriter")
        peer.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.sock.recv(1)
        peer.sock.settimeout(PEER_TIMEOUT)
        assert await peer.in_thread(peer.receive_rest) == b""
        await run_loop()
        assert not is_descriptor_open(descriptor)
        only_warning(found)


@pytest.mark.skipif(sluiceway.ENGINE != "epoll", reason="the loop's transports send by the socket, not by the number")
async def test_dropped_connection_whose_socket_the_collector_closed_sends_nothing(
    raw_peers: RawPeers, tls: Any
) -> None:
    """X5: the collector closes the socket of a transport that it finds with reader and writer before it drops them."""
    script = raw_peers.serve(lambda peer: peer.start_tls(tls.server_context, server_side=True))
    pair = await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    transport = pair[1].transport
    transport.pause_reading()
    sock = transport._lower.raw.socket()
    number = sock.fileno()
    sock.close()
    await script.finished()
    mine, other = socket.socketpair()
    # Another thread has got the number meanwhile.
    if mine.fileno() != number:
        os.dup2(mine.fileno(), number)
        mine.close()
        mine = socket.socket(fileno=number)
    with recorded_warnings() as found:
        del pair
        only_warning(found)
        await run_loop()
    other.setblocking(False)
    with pytest.raises(BlockingIOError):
        other.recv(100)
    found.clear()
    del transport
    gc.collect()
    mine.close()
    other.close()


def test_warning_of_a_connection_dropped_after_loop_close_names_the_closed_loop(
    loop_kind: str, raw_peers: RawPeers
) -> None:
    """X5: without a loop the connection cannot be closed. The engine has closed it, and warned, at loop.close()."""

    async def open_one() -> tuple[Any, Any, RawPeer]:
        return await open_raw(raw_peers)

    with warnings.catch_warnings(record=True) as at_close, loops.new_runner(loop_kind) as runner:
        # uvloop warns of open transports when it is closed, and hangs if the warning raises.
        warnings.simplefilter("always")
        reader, writer, peer = runner.run(open_one())
        transport = writer.transport
    with recorded_warnings() as found:
        del reader, writer
        if sluiceway.ENGINE == "epoll":
            assert found == []
            assert "unclosed <SocketTransport" in only_warning(at_close)
        else:
            assert "loop is closed" in only_warning(found)
        # The recorded warning refers to its source.
        found.clear()
    with warnings.catch_warnings():
        # The loop's own transport may warn as well.
        warnings.simplefilter("ignore")
        del transport
        gc.collect()
    peer.close()


async def test_handler_that_returns_without_close_warns_once_and_closes(raw_peers: RawPeers) -> None:
    """X5: the client receives EOF."""

    async def handle(_reader: Any, writer: Any) -> None:
        writer.write(b"bye")

    with recorded_warnings() as found:
        async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
            peer = raw_peers.connect(server_address(server))
            assert await peer.in_thread(peer.receive_rest) == b"bye"
            await run_loop()
            assert only_warning(found).startswith("unclosed <StreamWriter")


async def test_function_handler_that_returns_without_close_warns_once_and_closes(raw_peers: RawPeers) -> None:
    """X5: for a handler that is not a coroutine function."""
    with recorded_warnings() as found:
        async with await sluiceway.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as server:
            peer = raw_peers.connect(server_address(server))
            assert await peer.in_thread(peer.receive_rest) == b""
            await run_loop()
            assert only_warning(found).startswith("unclosed <StreamWriter")


async def test_writer_stored_by_a_handler_keeps_the_connection_open(raw_peers: RawPeers) -> None:
    """X5: a handler may return while another part of the program refers to the writer."""
    kept: list[Any] = []

    async def handle(_reader: Any, writer: Any) -> None:
        kept.append(writer)

    with recorded_warnings() as found:
        async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
            peer = raw_peers.connect(server_address(server))
            while not kept:
                await asyncio.sleep(0)
            await run_loop()
            kept[0].write(b"still here")
            await kept[0].drain()
            assert await peer.in_thread(peer.receive, 10) == b"still here"
            assert found == []
            kept[0].close()
            await kept[0].wait_closed()
            kept.clear()
        assert found == []


async def test_dropped_connection_is_closed_although_the_warning_raises(raw_peers: RawPeers) -> None:
    """X5: with ``-W error`` the warning is unraisable, and the connection is closed."""
    reader, writer, peer = await open_raw(raw_peers)
    unraisable: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda info: unraisable.append(type(info.exc_value))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del reader, writer
    finally:
        sys.unraisablehook = hook
    assert unraisable == [ResourceWarning]
    assert await peer.in_thread(peer.receive_rest) == b""
    await run_loop()


class UnprintableTransport(asyncio.Transport):
    """A transport of a program."""

    def __init__(self, closed: list[str]) -> None:
        super().__init__()
        self._closed = closed

    def __repr__(self) -> str:
        raise LookupError

    def is_closing(self) -> bool:
        return bool(self._closed)

    def close(self) -> None:
        self._closed.append("closed")


async def test_dropped_connection_is_closed_although_the_repr_of_its_transport_raises(streams: Any) -> None:
    loop = asyncio.get_running_loop()
    closed: list[str] = []
    unraisable: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda info: unraisable.append(type(info.exc_value))
    try:
        reader = streams.StreamReader(loop=loop)
        protocol = streams.StreamReaderProtocol(reader, loop=loop)
        transport = UnprintableTransport(closed)
        protocol.connection_made(transport)
        writer = streams.StreamWriter(transport, protocol, reader, loop)
        del reader, protocol, transport, writer
        gc.collect()
        await run_loop()
    finally:
        sys.unraisablehook = hook
    assert closed == ["closed"]
    assert unraisable == [LookupError]
