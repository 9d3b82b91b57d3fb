"""X5: dropping both halves unclosed warns once and closes; dropping one leaves the other alone."""

import asyncio
import contextlib
import gc
import sys
import threading
import tracemalloc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from support import loops
from support.connections import server_address
from support.file_descriptors import is_descriptor_open, socket_descriptor
from support.non_reading_peer import PAYLOAD
from support.raw_peer import RawPeer, RawPeers


@contextlib.contextmanager
def recorded() -> Iterator[list[warnings.WarningMessage]]:
    """Every warning, by reference counts alone: the collector must not be what finds a dropped stream."""
    gc.collect()
    gc.disable()
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            yield found
    finally:
        gc.enable()


def only_warning(found: list[warnings.WarningMessage]) -> str:
    assert [warning.category for warning in found] == [ResourceWarning], [str(warning.message) for warning in found]
    return str(found[0].message)


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def _open(raw_peers: RawPeers, **more: Any) -> tuple[Any, Any, RawPeer]:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address, **more)
    return reader, writer, listener.accept()


@pytest.mark.parametrize("first", ["reader", "writer"])
async def test_both_dropped(raw_peers: RawPeers, first: str) -> None:
    """X5: one ResourceWarning when the second goes, the peer sees the end, the descriptor is closed."""
    reader, writer, peer = await _open(raw_peers)
    descriptor = socket_descriptor(writer)
    with recorded() as found:
        if first == "reader":
            del reader
            await _turns()
            assert found == []
            del writer
        else:
            del writer
            await _turns()
            assert found == []
            del reader
        assert only_warning(found).startswith("unclosed <StreamWriter transport=")
        await _turns()
        assert await peer.in_thread(peer.receive_rest) == b""
        await _turns()
        assert not is_descriptor_open(descriptor)
        only_warning(found)


async def test_both_dropped_over_unix(raw_peers: RawPeers, unix_path: str) -> None:
    """X5: over a Unix socket."""
    listener = raw_peers.listen(unix=unix_path)
    pair = await sluiceway.open_unix_connection(unix_path)
    peer = listener.accept()
    with recorded() as found:
        del pair
        assert only_warning(found).startswith("unclosed <StreamWriter")
        assert await peer.in_thread(peer.receive_rest) == b""
        await _turns()


async def test_both_dropped_over_tls(raw_peers: RawPeers, tls: Any) -> None:
    """X5: over TLS, with a close_notify to the peer."""

    def listen_for_the_end(peer: RawPeer) -> bytes:
        peer.start_tls(tls.server_context, server_side=True)
        data = peer.receive_rest()
        peer.unwrap_tls()
        return data

    script = raw_peers.serve(listen_for_the_end)
    pair = await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    with recorded() as found:
        del pair
        assert only_warning(found).startswith("unclosed <StreamWriter")
        assert await script.finished() == b""
        await _turns()
        only_warning(found)


async def test_backlog_is_flushed(raw_peers: RawPeers) -> None:
    """X5: what was written before the halves were dropped arrives."""
    reader, writer, peer = await _open(raw_peers)
    with recorded() as found:
        writer.write(PAYLOAD)
        del reader, writer
        only_warning(found)
        assert await peer.in_thread(peer.receive_rest) == PAYLOAD
        await _turns()


async def test_backlog_that_nobody_reads_is_bounded(raw_peers: RawPeers) -> None:
    """X5, X1: a dropped connection whose peer never reads is aborted after close_timeout as any other."""
    reader, writer, peer = await _open(raw_peers, close_timeout=0.05)
    descriptor = socket_descriptor(writer)
    with recorded() as found:
        writer.write(PAYLOAD)
        del reader, writer
        only_warning(found)
        while is_descriptor_open(descriptor):
            await asyncio.sleep(0)
        peer.close()


async def test_reader_dropped_writer_goes_on(raw_peers: RawPeers) -> None:
    """X5: whoever only writes may forget the reader, while the peer sends, and ends its side."""
    reader, writer, peer = await _open(raw_peers)
    with recorded() as found:
        del reader
        for piece in (b"one", b"two"):
            peer.send(b"nobody reads this")
            writer.write(piece)
            await writer.drain()
            await _turns()
            assert await peer.in_thread(peer.receive, 3) == piece
        peer.half_close()
        await _turns()
        writer.write(b"three")
        await writer.drain()
        assert await peer.in_thread(peer.receive, 5) == b"three"
        writer.close()
        await writer.wait_closed()
        del writer
        assert found == []


async def test_writer_dropped_reader_goes_on(raw_peers: RawPeers) -> None:
    """X5 [gh-109986]: whoever only reads may forget the writer; then the reader is all that holds the connection."""
    reader, writer, peer = await _open(raw_peers)
    with recorded() as found:
        del writer
        for piece in (b"one", b"two"):
            reading = asyncio.create_task(reader.readexactly(3))
            await _turns()
            peer.send(piece)
            assert await reading == piece
        peer.send(b"the rest")
        peer.half_close()
        assert await reader.read() == b"the rest"
        assert found == []
        del reader, reading
        only_warning(found)
        assert await peer.in_thread(peer.receive_rest) == b""
        await _turns()


async def test_writer_dropped_while_a_task_reads(raw_peers: RawPeers) -> None:
    """X5: a task that waits for data holds the reader."""
    reader, writer, peer = await _open(raw_peers)
    with recorded() as found:
        reading = asyncio.create_task(reader.readline())
        await _turns()
        del reader, writer
        await _turns()
        assert found == []
        peer.send(b"a line\n")
        assert await reading == b"a line\n"
        del reading
        await _turns()
        only_warning(found)
        assert await peer.in_thread(peer.receive_rest) == b""
        await _turns()


async def test_writer_dropped_after_the_end_of_input(raw_peers: RawPeers) -> None:
    """X5: when nothing more can be read, the writer is what is forgotten, as in CPython."""
    reader, writer, peer = await _open(raw_peers)
    peer.half_close()
    assert await reader.read() == b""
    with recorded() as found:
        del writer
        assert only_warning(found).startswith("unclosed <StreamWriter")
        assert await peer.in_thread(peer.receive_rest) == b""
        await _turns()
        del reader
        only_warning(found)


async def test_closed_streams_are_dropped_in_silence(raw_peers: RawPeers) -> None:
    """X5: after close(), waited for or not, after abort, after the peer's reset."""
    with recorded() as found:
        for end in ("close", "close and wait", "abort", "transport.close", "reset"):
            reader, writer, peer = await _open(raw_peers)
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
            await _turns()
        assert found == []


async def test_warning_names_the_place_of_creation(raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch) -> None:
    """X5: with tracemalloc on, the warning's source was allocated where the connection was opened."""
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start(10)
    try:
        pair = await _open(raw_peers)
        traces: list[Any] = []

        def show(message: warnings.WarningMessage) -> None:
            # The object must be asked while it lives, as the interpreter does when it prints the warning.
            traces.append(tracemalloc.get_object_traceback(message.source))

        with recorded():
            monkeypatch.setattr(warnings, "_showwarnmsg_impl", show)
            del pair
            monkeypatch.undo()
            await _turns()
        assert len(traces) == 1
        assert traces[0] is not None
        assert any(frame.filename == __file__ for frame in traces[0])
    finally:
        if not was_tracing:
            tracemalloc.stop()


async def test_dropped_in_another_thread(raw_peers: RawPeers) -> None:
    """X5: the last reference goes in a thread: one warning, and the connection is closed by the loop, in its thread."""
    reader, writer, peer = await _open(raw_peers)
    descriptor = socket_descriptor(writer)
    holder = [reader, writer]
    del reader, writer
    with recorded() as found:
        # The loop stands still meanwhile, so it cannot be the one that closes.
        thread = threading.Thread(target=holder.clear)
        thread.start()
        thread.join()
        assert only_warning(found).startswith("unclosed <StreamWriter")
        peer.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.sock.recv(1)
        peer.sock.settimeout(10)
        assert await peer.in_thread(peer.receive_rest) == b""
        await _turns()
        assert not is_descriptor_open(descriptor)
        only_warning(found)


def test_dropped_after_the_loop_was_closed(loop_kind: str, raw_peers: RawPeers) -> None:
    """X5: nothing can be closed any more; the warning says why. The engine has closed it, and warned, with the loop."""

    async def open_one() -> tuple[Any, Any, RawPeer]:
        return await _open(raw_peers)

    with warnings.catch_warnings(record=True) as at_close, loops.new_runner(loop_kind) as runner:
        # uvloop warns of what is open when it is closed, and would never end if that were an error.
        warnings.simplefilter("always")
        reader, writer, peer = runner.run(open_one())
        transport = writer.transport
    with recorded() as found:
        del reader, writer
        if sluiceway.ENGINE == "epoll":
            assert found == []
            assert "unclosed <SocketTransport" in only_warning(at_close)
        else:
            assert "loop is closed" in only_warning(found)
        # The record holds its source.
        found.clear()
    with warnings.catch_warnings():
        # The loop's own transport has its own opinion of being dropped.
        warnings.simplefilter("ignore")
        del transport
        gc.collect()
    peer.close()


async def test_handler_that_does_not_close(raw_peers: RawPeers) -> None:
    """X5: a handler that returns has dropped both halves: one warning, the client sees the end."""

    async def handle(_reader: Any, writer: Any) -> None:
        writer.write(b"bye")

    with recorded() as found:
        async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
            peer = raw_peers.connect(server_address(server))
            assert await peer.in_thread(peer.receive_rest) == b"bye"
            await _turns()
            assert only_warning(found).startswith("unclosed <StreamWriter")


async def test_plain_handler_that_keeps_nothing(raw_peers: RawPeers) -> None:
    """X5: the same for a handler that is a plain function."""
    with recorded() as found:
        async with await sluiceway.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as server:
            peer = raw_peers.connect(server_address(server))
            assert await peer.in_thread(peer.receive_rest) == b""
            await _turns()
            assert only_warning(found).startswith("unclosed <StreamWriter")


async def test_handler_that_hands_its_writer_on(raw_peers: RawPeers) -> None:
    """X5: a handler may return and leave the writer to somebody else; the connection lives as long as it is held."""
    kept: list[Any] = []

    async def handle(_reader: Any, writer: Any) -> None:
        kept.append(writer)

    with recorded() as found:
        async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
            peer = raw_peers.connect(server_address(server))
            while not kept:
                await asyncio.sleep(0)
            await _turns()
            kept[0].write(b"still here")
            await kept[0].drain()
            assert await peer.in_thread(peer.receive, 10) == b"still here"
            assert found == []
            kept[0].close()
            await kept[0].wait_closed()
            kept.clear()
        assert found == []


async def test_warning_made_an_error_still_closes(raw_peers: RawPeers) -> None:
    """X5: under -W error the connection is closed all the same."""
    reader, writer, peer = await _open(raw_peers)
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
    await _turns()
