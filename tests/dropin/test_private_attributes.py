"""S12: private attributes of asyncio's objects that programs read or assign exist and take effect as in asyncio."""

import asyncio
import contextlib
import types
from asyncio import streams as asyncio_streams
from typing import Any
from unittest import mock

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connect_with_protocol, connected_pair
from support.raw_peer import RawPeers


def new_reader(streams: types.ModuleType, limit: int = 1 << 16) -> Any:
    return streams.StreamReader(limit=limit, loop=asyncio.get_running_loop())


async def test_private_attributes_have_values_of_asyncio(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    loop = asyncio.get_running_loop()
    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as (reader, writer, protocol):
        assert reader._limit == 1 << 16
        assert reader._loop is writer._loop is protocol._loop is loop
        assert reader._transport is writer._transport is protocol._transport is writer.transport
        assert reader._waiter is None
        assert reader._exception is None
        assert reader._eof is False
        assert reader._paused is False
        assert protocol._paused is False
        assert protocol._connection_lost is False
        assert protocol._stream_reader is reader
        assert protocol._over_ssl is False
        assert protocol._client_connected_cb is None
        assert writer._protocol is protocol
        assert writer._reader is reader
        await protocol._drain_helper()
        closed = protocol._get_close_waiter(writer)
        assert not closed.done()
        writer.close()
        await closed
        assert protocol._connection_lost is True
        with pytest.raises(ConnectionResetError):
            await protocol._drain_helper()


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "tls"])
async def test_private_attributes_of_connected_pair_refer_to_each_other(
    streams: types.ModuleType, over_tls: bool, tls: Certificates
) -> None:
    server = {"ssl": tls.server_context} if over_tls else {}
    client = {"ssl": tls.client_context, "server_hostname": "localhost"} if over_tls else {}
    async with connected_pair(streams, server=server, client=client) as ((near_reader, near), (far_reader, far)):
        for reader, writer in ((near_reader, near), (far_reader, far)):
            protocol = writer._protocol
            assert writer._reader is reader
            assert reader._transport is writer._transport
            assert protocol._stream_reader is reader
            assert protocol._over_ssl is over_tls
            assert isinstance(protocol, streams.StreamReaderProtocol)
            await protocol._drain_helper()
            assert not protocol._get_close_waiter(writer).done()
            await check_read_sets_waiter(reader)


async def check_read_sets_waiter(reader: Any) -> None:
    reading = asyncio.ensure_future(reader.read(1))
    await asyncio.sleep(0)
    assert asyncio.isfuture(reader._waiter)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert reader._waiter is None


async def test_set_protocol_of_own_protocol_keeps_reading(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as ((reader, writer), (_, far)):
        protocol = writer.transport.get_protocol()
        assert protocol._stream_reader is reader
        writer.transport.set_protocol(protocol)
        far.write(b"still read")
        assert await reader.readexactly(10) == b"still read"


async def test_other_protocol_receives_data_after_set_protocol(streams: types.ModuleType) -> None:
    """A protocol upgrade: the program takes the buffered bytes from ``_buffer``, and later data bypasses the reader."""

    class UpgradedProtocol(asyncio.Protocol):
        def __init__(self) -> None:
            self.received = bytearray()
            self.data_arrived = asyncio.Event()

        def data_received(self, data: bytes) -> None:
            self.received += data
            self.data_arrived.set()

    async with connected_pair(streams) as ((reader, writer), (_, far)):
        far.write(b"upgrade\nleft")
        assert await reader.readline() == b"upgrade\n"
        while len(reader._buffer) < 4:
            await asyncio.sleep(0)
        upgraded, original = UpgradedProtocol(), writer.transport.get_protocol()
        upgraded.received += reader._buffer
        reader._buffer.clear()
        writer.transport.set_protocol(upgraded)
        far.write(b" and right")
        while len(upgraded.received) < 14:
            upgraded.data_arrived.clear()
            await upgraded.data_arrived.wait()
        assert upgraded.received == b"left and right"
        writer.transport.set_protocol(original)
        far.write(b"back")
        assert await reader.readexactly(4) == b"back"


async def test_assigned_transport_of_reader_is_paused_and_resumed(streams: types.ModuleType) -> None:
    first, second = (mock.create_autospec(asyncio.Transport, instance=True) for _ in range(2))
    reader = new_reader(streams, 4)
    reader.set_transport(first)
    reader._transport = second
    reader.feed_data(b"x" * 9)
    first.pause_reading.assert_not_called()
    second.pause_reading.assert_called_once_with()
    assert reader._paused is True
    assert await reader.readexactly(9) == b"x" * 9
    second.resume_reading.assert_called_once_with()
    assert reader._paused is False
    reader._transport = None
    reader.feed_data(b"x" * 9)
    assert await reader.readexactly(9) == b"x" * 9
    reader.set_transport(first)


async def test_assigned_transport_of_writer_is_written_to(streams: types.ModuleType) -> None:
    """aiosmtpd assigns it after STARTTLS."""
    async with connected_pair(streams) as ((_, near), _ends):
        original = near._transport
        other = mock.create_autospec(asyncio.Transport, instance=True)
        other.is_closing.return_value = False
        other.get_write_buffer_size.return_value = 0
        other.get_extra_info.side_effect = {"peername": "elsewhere"}.get
        near._transport = other
        assert near.transport is other
        near.write(b"written")
        near.writelines([b"and ", b"more"])
        assert b"".join(call.args[0] for call in other.write.call_args_list) == b"written" + (
            b"and more" if not other.writelines.called else b""
        )
        assert near.get_extra_info("peername") == "elsewhere"
        near.close()
        other.close.assert_called_with()
        assert not original.is_closing()
        near._transport = original


async def test_assigned_loop_of_writer_is_returned(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as ((_, near), _ends):
        original, other = near._loop, object()
        near._loop = other
        assert near._loop is other
        near._loop = original


async def test_completed_waiter_wakes_waiting_read(streams: types.ModuleType) -> None:
    reader = new_reader(streams)
    reading = asyncio.ensure_future(reader.readexactly(2))
    await asyncio.sleep(0)
    waiter = reader._waiter
    reader._buffer.extend(b"ab")
    reader._waiter = None
    waiter.set_result(None)
    assert await reading == b"ab"


async def test_error_set_on_waiter_is_raised_by_read(streams: types.ModuleType) -> None:
    reader = new_reader(streams)
    reading = asyncio.ensure_future(reader.read(2))
    await asyncio.sleep(0)
    reader._waiter.set_exception(LookupError("theirs"))
    with pytest.raises(LookupError):
        await reading
    reader.feed_data(b"ab")
    assert await reader.read(2) == b"ab"


async def test_read_raises_while_assigned_waiter_is_pending(streams: types.ModuleType) -> None:
    """R9: a program that assigns ``_waiter``, as in a recipe for peek, counts as the reading task."""
    loop = asyncio.get_running_loop()
    reader = new_reader(streams)
    waiter = reader._waiter = loop.create_future()
    with pytest.raises(RuntimeError):
        await reader.read(1)
    reader.feed_data(b"ab")
    await waiter
    assert reader._waiter is None
    assert await reader.read(2) == b"ab"


@pytest.mark.parametrize("call", ["read", "readline", "readuntil", "readexactly"])
async def test_assigned_exception_is_raised_until_it_is_removed(streams: types.ModuleType, call: str) -> None:
    reader = new_reader(streams)
    arguments = {"readexactly": (3,), "read": (3,)}.get(call, ())
    reader.feed_data(b"ab\n")
    reader._exception = LookupError("theirs")
    assert reader.exception() is reader._exception
    with pytest.raises(LookupError):
        await getattr(reader, call)(*arguments)
    reader._exception = None
    assert reader.exception() is None
    assert await getattr(reader, call)(*arguments) == b"ab\n"


async def test_assigned_eof_takes_effect_until_it_is_removed(streams: types.ModuleType) -> None:
    reader = new_reader(streams)
    reader.feed_data(b"last")
    reader._eof = True
    assert not reader.at_eof()
    assert await reader.read() == b"last"
    assert reader.at_eof()
    assert await reader.read() == b""
    reader._eof = False
    reader.feed_data(b"more")
    assert await reader.read(10) == b"more"
    assert not reader.at_eof()


async def test_assigned_paused_is_reset_by_next_read(streams: types.ModuleType) -> None:
    transport = mock.create_autospec(asyncio.Transport, instance=True)
    reader = new_reader(streams)
    reader.set_transport(transport)
    reader.feed_data(b"ab")
    reader._paused = True
    assert await reader.read(1) == b"a"
    transport.resume_reading.assert_called_once_with()
    assert reader._paused is False


async def test_waiting_read_resumes_transport_if_paused_was_assigned(streams: types.ModuleType) -> None:
    transport = mock.create_autospec(asyncio.Transport, instance=True)
    reader = new_reader(streams)
    reader.set_transport(transport)
    reader._paused = True
    reading = asyncio.ensure_future(reader.read(1))
    await asyncio.sleep(0)
    transport.resume_reading.assert_called_once_with()
    reader.feed_data(b"a")
    assert await reading == b"a"


async def test_assigned_limit_applies_to_next_read(streams: types.ModuleType) -> None:
    """Programs raise ``_limit`` for a single long line."""
    reader = new_reader(streams, 4)
    reader.feed_data(b"x" * 100 + b"\n")
    with pytest.raises(asyncio.LimitOverrunError):
        await reader.readuntil(b"\n")
    reader._limit = 1000
    assert await reader.readuntil(b"\n") == b"x" * 100 + b"\n"


async def test_pause_writing_of_protocol_makes_drain_wait(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as (_, writer, protocol):
        protocol.pause_writing()
        assert protocol._paused is True
        draining = [asyncio.ensure_future(writer.drain()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in draining)
        protocol.resume_writing()
        await asyncio.gather(*draining)
        assert protocol._paused is False


async def test_replaced_transport_of_protocol_takes_effect(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """asyncio calls ``_replace_transport`` after start_tls since 3.12, and ``_replace_writer`` before."""
    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as (_, writer, protocol):
        tls_transport = mock.create_autospec(asyncio.Transport, instance=True)
        tls_transport.get_extra_info.side_effect = {"sslcontext": object()}.get
        plain = writer.transport
        if hasattr(protocol, "_replace_transport"):
            protocol._replace_transport(tls_transport)
            assert protocol._transport is tls_transport
            assert protocol._over_ssl is True
            protocol._replace_transport(plain)
        if hasattr(protocol, "_replace_writer"):
            writer._transport = tls_transport
            protocol._replace_writer(writer)
            assert protocol._transport is tls_transport
            assert protocol._over_ssl is True
            writer._transport = plain
            protocol._replace_writer(writer)
        assert protocol._over_ssl is False


@pytest.mark.loops("asyncio")
async def test_protocol_has_both_methods_that_replace_its_transport() -> None:
    import sluiceway

    assert callable(sluiceway.StreamReaderProtocol._replace_transport)
    assert callable(sluiceway.StreamReaderProtocol._replace_writer)


async def test_method_added_to_class_works(streams: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe for peek that many programs use."""

    async def peek(self: Any, n: int) -> bytes:
        while len(self._buffer) < n and not self._eof:
            await self._wait_for_data("peek")
        return bytes(self._buffer[:n])

    async def shout(self: Any, data: bytes) -> None:
        self.write(data.upper())
        await self.drain()

    monkeypatch.setattr(streams.StreamReader, "peek", peek, raising=False)
    monkeypatch.setattr(streams.StreamWriter, "shout", shout, raising=False)
    async with connected_pair(streams) as ((near_reader, near), (far_reader, far)):
        peeking = asyncio.ensure_future(near_reader.peek(4))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await near_reader.read(1)
        await far.shout(b"hel")
        await far.shout(b"lo\n")
        assert await peeking == b"HELL"
        assert await near_reader.readline() == b"HELLO\n"
        far.close()
        assert await near_reader.peek(4) == b""


async def test_feed_data_replaced_on_class_gets_every_byte(
    streams: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed = bytearray()
    original = streams.StreamReader.feed_data

    def feed_data(self: Any, data: bytes) -> None:
        fed.extend(data)
        original(self, data.swapcase())

    monkeypatch.setattr(streams.StreamReader, "feed_data", feed_data)
    async with connected_pair(streams) as ((near_reader, _), (_, far)):
        far.write(b"Every Byte")
        assert await near_reader.readexactly(10) == b"eVERY bYTE"
    assert fed == b"Every Byte"


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("side", ["client", "server"])
async def test_feed_data_replaced_on_instance_gets_every_byte(
    streams: types.ModuleType, side: str, over_tls: bool, tls: Certificates
) -> None:
    server = {"ssl": tls.server_context} if over_tls else {}
    client = {"ssl": tls.client_context, "server_hostname": "localhost"} if over_tls else {}
    data = bytes(range(256)) * 400
    async with connected_pair(streams, server=server, client=client) as (near, far):
        (reader, _), (_, writer) = (near, far) if side == "client" else (far, near)
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        original, fed = reader.feed_data, bytearray()

        def feed_data(piece: bytes) -> None:
            fed.extend(piece)
            original(bytes(byte ^ 1 for byte in piece))

        reader.feed_data = feed_data
        writing = asyncio.ensure_future(write_and_drain(writer, data))
        assert await reader.readexactly(len(data)) == bytes(byte ^ 1 for byte in data)
        await writing
        assert fed == data


async def write_and_drain(writer: Any, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def test_drain_waits_with_flow_control_mixin_as_protocol(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """The recipe for standard output, on a socket: FlowControlMixin, and a writer without a reader."""
    loop = asyncio.get_running_loop()
    mixin = asyncio_streams.FlowControlMixin if streams is asyncio else streams.FlowControlMixin
    listener = raw_peers.listen()
    transport, protocol = await loop.create_connection(lambda: mixin(loop=loop), *listener.address)
    writer = streams.StreamWriter(transport, protocol, None, loop)
    peer = listener.accept()
    writer.write(b"x" * (8 << 20))
    draining = asyncio.ensure_future(writer.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    await peer.in_thread(peer.receive, 8 << 20)
    await draining
    writer.close()
    # wait_closed() with asyncio's FlowControlMixin raises NotImplementedError; the transport closes by itself.
    with contextlib.suppress(NotImplementedError):
        await writer.wait_closed()
    assert await peer.in_thread(peer.receive_rest) == b""


@pytest.mark.skipif(sluiceway.ENGINE == "epoll", reason="differences.md: not called on the engine")
@pytest.mark.loops("asyncio", "debug", "eager")
async def test_data_received_replaced_on_one_protocol_gets_every_byte(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as ((reader, writer), (_, far)):
        far.write(b"before\n")
        assert await reader.readline() == b"before\n"
        protocol = writer.transport.get_protocol()
        usual = protocol.data_received
        protocol.data_received = lambda data: usual(data.upper())
        far.write(b"line\n")
        assert await reader.readline() == b"LINE\n"
        del protocol.data_received


@pytest.mark.parametrize("error", [None, ConnectionAbortedError("of the subclass")], ids=["result", "exception"])
async def test_completed_closed_future_of_protocol_ends_wait_closed(
    streams: types.ModuleType, raw_peers: RawPeers, error: Exception | None
) -> None:
    """A subclass of the protocol may complete the future instead of calling connection_lost() of its base class."""
    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as (_, writer, protocol):
        waiting = asyncio.ensure_future(writer.wait_closed())
        await asyncio.sleep(0)
        if error is None:
            protocol._closed.set_result(None)
            await waiting
        else:
            protocol._closed.set_exception(error)
            with pytest.raises(ConnectionAbortedError, match="of the subclass"):
                await waiting


async def test_data_received_replaced_on_one_protocol_is_not_called_over_tls(
    streams: types.ModuleType, tls: Certificates
) -> None:
    """differences.md, TLS: the data goes to the reader in any case. asyncio calls the replacement."""
    named = {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with connected_pair(streams, server={"ssl": tls.server_context}, client=named) as (near, far):
        calls: list[bytes] = []
        protocol = near[1].transport.get_protocol()
        usual = protocol.data_received

        def replacement(data: bytes) -> None:
            calls.append(data)
            usual(data)

        protocol.data_received = replacement
        far[1].write(b"line\n")
        assert await near[0].readline() == b"line\n"
        assert calls == ([b"line\n"] if streams is asyncio else [])
        del protocol.data_received
