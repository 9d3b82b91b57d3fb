"""W3: loop.sendfile() of asyncio's loops lets the kernel copy the file, as with asyncio's own transports."""

import asyncio
import contextlib
import errno
import io
import os
import pathlib
import select
import socket
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

import pytest

import sluiceway
from engine.peer_connections import PeerConnection, open_connections
from support.non_reading_peer import PAYLOAD, pending_writes
from support.raw_peer import RawPeers
from support.scheduling import start_task, wait_until

pytestmark = pytest.mark.loops("asyncio", "debug", "eager")


@pytest.fixture
def file(tmp_path: pathlib.Path) -> BinaryIO:
    path = tmp_path / "file"
    path.write_bytes(PAYLOAD)
    with path.open("rb") as opened:
        yield opened


def sendfile(transport: Any, *arguments: Any, **options: Any) -> Any:
    return asyncio.get_running_loop().sendfile(transport, *arguments, **options)


@contextlib.asynccontextmanager
async def full_socket(raw_peers: RawPeers, file: BinaryIO) -> AsyncIterator[tuple[PeerConnection, asyncio.Task[int]]]:
    """Yield a connection and a task in loop.sendfile(), which waits because the peer does not read."""
    [connection] = await open_connections(raw_peers)
    task = asyncio.create_task(sendfile(connection.transport, file))
    copy = connection.transport.raw
    await wait_until(lambda: copy.file_copy is not None and copy.file_copy._sock is not None)
    await wait_until(lambda: not select.select([], [copy.file_copy._sock], [], 0)[1])
    try:
        yield connection, task
    finally:
        connection.transport.abort()
        with contextlib.suppress(OSError, asyncio.CancelledError, RuntimeError):
            await task


async def sending_no_byte(transport: Any, file: BinaryIO) -> asyncio.Task[int]:
    """Return a task in loop.sendfile() of which the kernel has accepted no byte. ``transport`` has pending data."""
    raw = transport.raw
    # The socket is full, and nothing is pending any more.
    raw.queue.clear()
    sending = await start_task(sendfile(transport, file))
    await wait_until(lambda: raw.file_copy._sock is not None)
    await asyncio.sleep(0)
    return sending


@pytest.mark.parametrize(
    ("position", "arguments", "part"),
    [
        (5, (), slice(None)),
        (len(PAYLOAD), (), slice(None)),
        (5, (0, 3), slice(0, 3)),
        (0, (1000,), slice(1000, None)),
        (7, (1000, 10), slice(1000, 1010)),
    ],
)
async def test_offset_is_counted_from_the_beginning_of_the_file(
    raw_peers: RawPeers, file: BinaryIO, position: int, arguments: tuple[int, ...], part: slice
) -> None:
    [connection] = await open_connections(raw_peers)
    expected = PAYLOAD[part]
    receiving = asyncio.create_task(connection.peer.in_thread(connection.peer.receive, len(expected)))
    file.seek(position)
    assert await sendfile(connection.transport, file, *arguments) == len(expected)
    assert await receiving == expected
    assert file.tell() == (part.start or 0) + len(expected)
    await connection.close()


async def test_one_file_object_is_sent_on_two_connections_at_the_same_time(raw_peers: RawPeers, file: BinaryIO) -> None:
    connections = await open_connections(raw_peers, 2)
    receiving = [asyncio.create_task(one.peer.in_thread(one.peer.receive, len(PAYLOAD))) for one in connections]
    sent = await asyncio.gather(*(sendfile(one.transport, file, fallback=False) for one in connections))
    assert sent == [len(PAYLOAD)] * 2
    assert await asyncio.gather(*receiving) == [PAYLOAD] * 2
    for connection in connections:
        await connection.close()


async def test_file_follows_the_pending_data(raw_peers: RawPeers, file: BinaryIO) -> None:
    async with pending_writes(sluiceway, raw_peers) as (reader, writer, peer):
        sending = await start_task(sendfile(writer.transport, file))
        assert await peer.in_thread(peer.receive, 2 * len(PAYLOAD)) == 2 * PAYLOAD
        assert await sending == len(PAYLOAD)
        writer.write(b"after")
        assert await peer.in_thread(peer.receive, 5) == b"after"
        peer.send(b"answer")
        assert await reader.readexactly(6) == b"answer"


async def test_call_cancelled_before_the_file_leaves_the_connection_usable(raw_peers: RawPeers, file: BinaryIO) -> None:
    async with pending_writes(sluiceway, raw_peers) as (reader, writer, peer):
        sending = await start_task(sendfile(writer.transport, file))
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        writer.write(b"after")
        assert await peer.in_thread(peer.receive, len(PAYLOAD) + 5) == PAYLOAD + b"after"
        peer.send(b"answer")
        assert await reader.readexactly(6) == b"answer"
        with pytest.raises(RuntimeError, match="is used by transport"):
            asyncio.get_running_loop().add_reader(writer.get_extra_info("socket").fileno(), print)


async def test_call_cancelled_within_the_file_leaves_the_connection_usable(raw_peers: RawPeers, file: BinaryIO) -> None:
    async with full_socket(raw_peers, file) as (connection, sending):
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        connection.writer.write(b"after")
        connection.writer.write_eof()
        received = await connection.peer.in_thread(connection.peer.receive_rest)
        assert received[-5:] == b"after"
        assert received[:-5] == PAYLOAD[: len(received) - 5]
        connection.peer.send(b"answer")
        assert await connection.reader.readexactly(6) == b"answer"


async def test_reading_that_the_program_paused_stays_paused(raw_peers: RawPeers, file: BinaryIO) -> None:
    async with pending_writes(sluiceway, raw_peers) as (_, writer, _):
        writer.transport.pause_reading()
        sending = await start_task(sendfile(writer.transport, file))
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not writer.transport.is_reading()


async def test_write_during_the_call_raises_runtime_error_and_sends_nothing(
    raw_peers: RawPeers, file: BinaryIO
) -> None:
    async with full_socket(raw_peers, file) as (connection, sending):
        for write in connection.writer.write, connection.transport.write:
            with pytest.raises(RuntimeError, match="sendfile is in progress"):
                write(b"between")
        assert await connection.peer.in_thread(connection.peer.receive, len(PAYLOAD)) == PAYLOAD
        assert await sending == len(PAYLOAD)
        connection.writer.write(b"after")
        assert await connection.peer.in_thread(connection.peer.receive, 5) == b"after"


async def test_second_call_raises_runtime_error_and_the_first_continues(raw_peers: RawPeers, file: BinaryIO) -> None:
    async with full_socket(raw_peers, file) as (connection, sending):
        with pytest.raises(RuntimeError, match="another sendfile is in progress"):
            await sendfile(connection.transport, file)
        assert await connection.peer.in_thread(connection.peer.receive, len(PAYLOAD)) == PAYLOAD
        assert await sending == len(PAYLOAD)
        assert connection.transport.is_reading()


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_end_by_another_task_before_the_file_raises(raw_peers: RawPeers, file: BinaryIO, end: str) -> None:
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        sending = await start_task(sendfile(writer.transport, file))
        getattr(writer.transport, end)()
        if end == "close":
            assert await peer.in_thread(peer.receive_rest) == PAYLOAD
        with pytest.raises(ConnectionError, match="closed before the whole file was sent"):
            await sending


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_end_by_another_task_within_the_file_raises(raw_peers: RawPeers, file: BinaryIO, end: str) -> None:
    async with full_socket(raw_peers, file) as (connection, sending):
        getattr(connection.transport, end)()
        with pytest.raises(ConnectionError):
            await sending
        received = await connection.peer.in_thread(connection.peer.receive_rest)
        assert received == PAYLOAD[: len(received)]


async def test_end_before_the_first_byte_of_the_file_raises(raw_peers: RawPeers, file: BinaryIO) -> None:
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        sending = await sending_no_byte(writer.transport, file)
        writer.transport.abort()
        with pytest.raises(ConnectionError):
            await sending
        assert peer.sock.fileno() >= 0


async def test_reset_by_the_peer_is_raised_by_the_call_and_by_reads(raw_peers: RawPeers, file: BinaryIO) -> None:
    async with full_socket(raw_peers, file) as (connection, sending):
        connection.peer.reset()
        with pytest.raises(ConnectionResetError):
            await sending
        with pytest.raises(ConnectionResetError):
            await connection.reader.read(1)
        assert connection.reader.eof_reason == "reset"


async def test_reset_before_the_first_byte_of_the_file_is_raised(raw_peers: RawPeers, file: BinaryIO) -> None:
    """asyncio replaces the error of os.sendfile(), which the kernel does not report again, by another one."""
    async with pending_writes(sluiceway, raw_peers) as (reader, writer, peer):
        sending = await sending_no_byte(writer.transport, file)
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await sending
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        assert reader.eof_reason == "reset"


async def test_call_in_an_except_clause_leaves_the_connection_open(raw_peers: RawPeers, file: BinaryIO) -> None:
    """The exception that is being handled is of another connection, for example."""
    [connection] = await open_connections(raw_peers)
    receiving = asyncio.create_task(connection.peer.in_thread(connection.peer.receive, len(PAYLOAD) + 5))
    try:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    except ConnectionResetError:
        assert await sendfile(connection.transport, file) == len(PAYLOAD)
    connection.writer.write(b"after")
    assert await receiving == PAYLOAD + b"after"
    await connection.close()


async def test_sendfile_of_a_stream_during_the_call_raises_and_sends_nothing(
    raw_peers: RawPeers, file: BinaryIO
) -> None:
    async with full_socket(raw_peers, file) as (connection, sending):
        stream = sluiceway.Stream.from_pair(connection.reader, connection.writer)
        with pytest.raises(RuntimeError, match="sendfile is in progress"):
            await stream.sendfile(file)
        assert await connection.peer.in_thread(connection.peer.receive, len(PAYLOAD)) == PAYLOAD
        assert await sending == len(PAYLOAD)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_loop_that_is_closed_within_the_file_closes_the_connection(raw_peers: RawPeers, file: BinaryIO) -> None:
    async def start() -> tuple[PeerConnection, Any]:
        [connection] = await open_connections(raw_peers)
        sending = sendfile(connection.transport, file)
        # Without a task, whose end would be reported.
        sending.send(None)
        return connection, sending

    loop = asyncio.SelectorEventLoop()
    connection, sending = loop.run_until_complete(start())
    loop.close()
    received = connection.peer.receive_rest()
    assert received == PAYLOAD[: len(received)]
    sending.close()


async def test_file_of_another_kind_is_read_and_written(raw_peers: RawPeers) -> None:
    [connection] = await open_connections(raw_peers)
    receiving = asyncio.create_task(connection.peer.in_thread(connection.peer.receive, len(PAYLOAD)))
    assert await sendfile(connection.transport, io.BytesIO(PAYLOAD)) == len(PAYLOAD)
    assert await receiving == PAYLOAD
    with pytest.raises(asyncio.SendfileNotAvailableError):
        await sendfile(connection.transport, io.BytesIO(b"data"), fallback=False)
    assert connection.transport.is_reading()
    await connection.close()


async def test_file_is_read_and_written_if_the_socket_is_blocking(raw_peers: RawPeers, file: BinaryIO) -> None:
    """os.sendfile() would block the loop. The file is read from the offset, whatever its position."""
    async with full_socket(raw_peers, file) as (connection, sending):
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        os.set_blocking(connection.writer.get_extra_info("socket").fileno(), True)
        file.seek(0, os.SEEK_END)
        again = asyncio.create_task(sendfile(connection.transport, file))
        await wait_until(lambda: connection.transport.get_write_buffer_size())
        connection.writer.transport.abort()
        with pytest.raises(ConnectionError):
            await again


async def test_file_is_read_and_written_without_a_free_descriptor(
    raw_peers: RawPeers, file: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(24, "Too many open files")

    [connection] = await open_connections(raw_peers)
    receiving = asyncio.create_task(connection.peer.in_thread(connection.peer.receive, len(PAYLOAD)))
    with monkeypatch.context() as patch:
        patch.setattr(socket, "fromfd", fail)
        file.seek(0, os.SEEK_END)
        assert await sendfile(connection.transport, file) == len(PAYLOAD)
    assert await receiving == PAYLOAD
    await connection.close()
