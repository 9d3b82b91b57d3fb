"""S12: readers, writers and protocols of asyncio and of sluiceway work together."""

import asyncio
import contextlib
from typing import Any

import pytest

import sluiceway
from dropin.class_combinations import ASYNCIO, COMBINATIONS, SLUICEWAY, ClassCombination, select_class
from support.certificates import Certificates
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers

LIMIT = 4096
LARGE = 8 << 20

pytestmark = pytest.mark.loops("asyncio", "uvloop")

each_combination = pytest.mark.parametrize("combination", COMBINATIONS, ids=str)


@each_combination
async def test_reads_and_writes_of_mixed_classes_transfer_data(
    combination: ClassCombination, raw_peers: RawPeers
) -> None:
    listener = raw_peers.listen()
    async with combination.connected(listener.address) as (reader, writer):
        peer = listener.accept()
        writer.write(b"one ")
        writer.writelines([b"two ", bytearray(b"three "), memoryview(b"four")])
        await writer.drain()
        assert writer.can_write_eof()
        writer.write_eof()
        assert await peer.in_thread(peer.receive_rest) == b"one two three four"
        peer.send(b"line\nuntil;exactlysome")
        assert await reader.readline() == b"line\n"
        assert await reader.readuntil(b";") == b"until;"
        assert await reader.readexactly(7) == b"exactly"
        assert await reader.read(100) == b"some"
        peer.send(b"1\n2\n3\nrest")
        peer.half_close()
        assert [await reader.readline() for _ in range(2)] == [b"1\n", b"2\n"]
        assert [line async for line in reader] == [b"3\n", b"rest"]
        assert reader.at_eof()
        assert await reader.read() == b""
        assert writer.get_extra_info("peername") == listener.address
        assert writer.transport is not None


@each_combination
async def test_drain_of_mixed_classes_waits_for_slow_peer(combination: ClassCombination, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    async with combination.connected(listener.address) as (_, writer):
        peer = listener.accept()
        writer.write(b"x" * LARGE)
        draining = [asyncio.ensure_future(writer.drain()) for _ in range(2)]
        await asyncio.sleep(0)
        # The data exceeds the kernel's buffers, and the peer does not read.
        assert not any(task.done() for task in draining)
        assert await peer.in_thread(peer.receive, LARGE) == b"x" * LARGE
        await asyncio.gather(*draining)


@each_combination
async def test_cancelled_drain_of_mixed_classes_leaves_other_drain_waiting(
    combination: ClassCombination, raw_peers: RawPeers
) -> None:
    """X6: a cancelled drain() affects only itself."""
    listener = raw_peers.listen()
    async with combination.connected(listener.address) as (_, writer):
        peer = listener.accept()
        writer.write(b"x" * LARGE)
        cancelled, other = (asyncio.ensure_future(writer.drain()) for _ in range(2))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert not other.done()
        await peer.in_thread(peer.receive, LARGE)
        await other


@each_combination
async def test_unread_data_of_mixed_classes_pauses_peer(combination: ClassCombination, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    async with combination.connected(listener.address, limit=LIMIT) as (reader, _):
        peer = listener.accept()
        data = bytes(range(256)) * (LARGE // 256)
        sending = asyncio.ensure_future(peer.in_thread(peer.send, data))
        while not reader._paused:
            await asyncio.sleep(0)
        assert not sending.done()
        assert await reader.readexactly(len(data)) == data
        await sending


@each_combination
async def test_close_of_mixed_classes_sends_buffered_data(combination: ClassCombination, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    async with combination.connected(listener.address) as (reader, writer):
        peer = listener.accept()
        writer.write(b"x" * LARGE)
        assert not writer.is_closing()
        writer.close()
        assert writer.is_closing()
        receiving = asyncio.ensure_future(peer.in_thread(peer.receive_rest))
        await writer.wait_closed()
        assert len(await receiving) == LARGE
        assert await reader.read() == b""
        await writer.wait_closed()


CLOSED_BY_SLUICEWAY = [
    combination for combination in COMBINATIONS if SLUICEWAY in (combination.writer, combination.protocol)
]


@pytest.mark.parametrize("combination", CLOSED_BY_SLUICEWAY, ids=str)
async def test_cancelled_wait_closed_of_mixed_classes_leaves_other_waiting(
    combination: ClassCombination, raw_peers: RawPeers
) -> None:
    """X6: a cancelled wait affects only itself; not so with asyncio's writer on asyncio's protocol."""
    listener = raw_peers.listen()
    async with combination.connected(listener.address) as (_, writer):
        peer = listener.accept()
        writer.write(b"x" * LARGE)
        writer.close()
        cancelled, other = (asyncio.ensure_future(writer.wait_closed()) for _ in range(2))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert not other.done()
        await peer.in_thread(peer.receive_rest)
        await other


@each_combination
async def test_reset_of_mixed_classes_is_raised_by_read_drain_and_wait_closed(
    combination: ClassCombination, raw_peers: RawPeers
) -> None:
    listener = raw_peers.listen()
    async with combination.connected(listener.address) as (reader, writer):
        peer = listener.accept()
        reading = asyncio.ensure_future(reader.read(1))
        await asyncio.sleep(0)
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await reading
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        assert isinstance(reader.exception(), ConnectionResetError)
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()


@each_combination
async def test_start_tls_of_mixed_classes_encrypts(
    combination: ClassCombination, raw_peers: RawPeers, tls: Certificates
) -> None:
    def serve(peer: RawPeer) -> None:
        peer.receive(8)
        peer.send(b"go on\n")
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(peer.receive(LARGE // 8))
        peer.unwrap_tls()

    script = raw_peers.serve(serve)
    async with combination.connected(script.address) as (reader, writer):
        writer.write(b"starttls")
        assert await reader.readline() == b"go on\n"
        plain = writer.transport
        await writer.start_tls(tls.client_context, server_hostname="localhost")
        assert writer.transport is not plain
        assert writer.get_extra_info("ssl_object") is not None
        writer.write(b"x" * (LARGE // 8))
        await writer.drain()
        assert await reader.readexactly(LARGE // 8) == b"x" * (LARGE // 8)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        await script.finished()


@pytest.mark.parametrize("combination", [one for one in COMBINATIONS if one.writer == SLUICEWAY], ids=str)
async def test_start_tls_of_mixed_classes_as_server_uses_client_hello_that_was_not_read(
    combination: ClassCombination, raw_peers: RawPeers, tls: Certificates
) -> None:
    """T2: unread bytes are input of the handshake, and are not read again after it."""

    def upgrade(peer: RawPeer) -> bytes:
        manual_tls = ManualTLS(peer, tls.client_context, server_hostname="localhost")
        peer.send(b"starttls\n" + manual_tls.first_flight())
        manual_tls.do_handshake()
        manual_tls.send(b"hello\n")
        return manual_tls.receive(6)

    script = raw_peers.serve(upgrade)
    async with combination.connected(script.address) as (reader, writer):
        assert await reader.readline() == b"starttls\n"
        await writer.start_tls(tls.server_context, server_side=True)
        assert await reader.readline() == b"hello\n"
        writer.write(b"bye..\n")
        assert await script.finished() == b"bye..\n"
        writer.transport.abort()


@pytest.mark.parametrize("installed", [False, True], ids=["not installed", "installed"])
@pytest.mark.parametrize("protocols", [ASYNCIO, SLUICEWAY], ids="{}'s protocol".format)
@pytest.mark.parametrize("readers", [ASYNCIO, SLUICEWAY], ids="{}'s reader".format)
@pytest.mark.parametrize("kind", ["coroutine", "function"])
async def test_accepted_connection_of_mixed_classes_transfers_data(
    readers: str, protocols: str, installed: bool, kind: str, raw_peers: RawPeers
) -> None:
    """The protocol makes the writer: of the class under asyncio's name, or of sluiceway's."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[tuple[Any, Any]] = loop.create_future()

    async def handler(reader: Any, writer: Any) -> None:
        accepted.set_result((reader, writer))

    def function(reader: Any, writer: Any) -> None:
        accepted.set_result((reader, writer))

    def make() -> asyncio.BaseProtocol:
        reader = select_class(readers, sluiceway.StreamReader)(loop=loop)
        callback = handler if kind == "coroutine" else function
        new_protocol: asyncio.BaseProtocol = select_class(protocols, sluiceway.StreamReaderProtocol)(
            reader, callback, loop
        )
        return new_protocol

    with sluiceway.installed() if installed else contextlib.nullcontext():
        server = await loop.create_server(make, "127.0.0.1", 0)
        try:
            peer = raw_peers.connect(server.sockets[0].getsockname())
            reader, writer = await accepted
            assert type(reader) is select_class(readers, sluiceway.StreamReader)
            assert isinstance(writer, sluiceway.StreamWriter) is (installed or protocols == SLUICEWAY)
            peer.send(b"there\n")
            assert await reader.readline() == b"there\n"
            writer.write(b"and back\n")
            await writer.drain()
            assert await peer.in_thread(peer.receive, 9) == b"and back\n"
            peer.half_close()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            assert await peer.in_thread(peer.receive_rest) == b""
        finally:
            server.close()
            await server.wait_closed()
