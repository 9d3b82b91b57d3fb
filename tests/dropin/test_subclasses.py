"""S6, S12: methods overridden in subclasses of readers, protocols and writers are called where asyncio calls them."""

import asyncio
import types
from typing import Any

import pytest

from support.connections import connect_with_protocol
from support.raw_peer import RawPeers


@pytest.mark.parametrize("side", ["create_connection", "create_server"])
async def test_overridden_protocol_callbacks_are_called(
    streams: types.ModuleType, side: str, raw_peers: RawPeers
) -> None:
    loop = asyncio.get_running_loop()
    calls: list[Any] = []
    connection_lost_called = loop.create_future()

    class Protocol(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        def connection_made(self, transport: Any) -> None:
            calls.append("made")
            super().connection_made(transport)

        def data_received(self, data: bytes) -> None:
            calls.append(bytes(data))
            super().data_received(data.upper())

        def eof_received(self) -> Any:
            calls.append("eof")
            return super().eof_received()

        def connection_lost(self, exc: BaseException | None) -> None:
            calls.append(("lost", exc))
            super().connection_lost(exc)
            connection_lost_called.set_result(None)

    reader = streams.StreamReader(loop=loop)
    if side == "create_connection":
        listener = raw_peers.listen()
        transport, protocol = await loop.create_connection(lambda: Protocol(reader, loop=loop), *listener.address)
        writer = streams.StreamWriter(transport, protocol, reader, loop)
        peer, server = listener.accept(), None
    else:
        accepted = loop.create_future()
        server = await loop.create_server(
            lambda: Protocol(reader, lambda *ends: accepted.set_result(ends), loop), "127.0.0.1", 0
        )
        peer = raw_peers.connect(server.sockets[0].getsockname())
        accepted_reader, writer = await accepted
        assert accepted_reader is reader
    peer.send(b"some")
    assert await reader.readexactly(4) == b"SOME"
    peer.half_close()
    assert await reader.read() == b""
    # eof_received() returned True, so the connection stays open for writing.
    writer.write(b"still open")
    assert await peer.in_thread(peer.receive, 10) == b"still open"
    writer.close()
    await connection_lost_called
    await writer.wait_closed()
    assert calls == ["made", b"some", "eof", ("lost", None)]
    if server is not None:
        server.close()
        await server.wait_closed()


async def test_false_from_eof_received_closes_transport(streams: types.ModuleType, raw_peers: RawPeers) -> None:

    class ClosingProtocol(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        def eof_received(self) -> bool:
            super().eof_received()
            return False

    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address, protocol_class=ClosingProtocol) as (reader, writer, _):
        peer = listener.accept()
        peer.send(b"bye")
        peer.half_close()
        assert await reader.read() == b"bye"
        assert await peer.in_thread(peer.receive_rest) == b""
        await writer.wait_closed()


async def test_overridden_pause_writing_and_resume_writing_are_called(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    calls: list[str] = []

    class RecordingProtocol(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        def pause_writing(self) -> None:
            calls.append("pause")
            super().pause_writing()

        def resume_writing(self) -> None:
            calls.append("resume")
            super().resume_writing()

    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address, protocol_class=RecordingProtocol) as (
        _,
        writer,
        _protocol,
    ):
        peer = listener.accept()
        writer.write(b"x" * (8 << 20))
        assert calls == ["pause"]
        receiving = asyncio.ensure_future(peer.in_thread(peer.receive, 8 << 20))
        await writer.drain()
        assert calls == ["pause", "resume"]
        await receiving


async def test_drain_waits_for_overridden_drain_helper(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    may_continue = asyncio.Event()

    class WaitingProtocol(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        async def _drain_helper(self) -> None:
            await may_continue.wait()
            await super()._drain_helper()

    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address, protocol_class=WaitingProtocol) as (
        _,
        writer,
        _protocol,
    ):
        draining = asyncio.ensure_future(writer.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        may_continue.set()
        await draining


async def test_overridden_reader_methods_are_called(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    calls: list[Any] = []

    class Reader(streams.StreamReader):  # type: ignore[name-defined, misc]
        def feed_data(self, data: bytes) -> None:
            calls.append(("data", bytes(data)))
            super().feed_data(data)

        def feed_eof(self) -> None:
            calls.append("eof")
            super().feed_eof()

        def set_transport(self, transport: Any) -> None:
            calls.append("transport")
            super().set_transport(transport)

        async def readuntil(self, separator: Any = b"\n") -> bytes:
            calls.append(("until", separator))
            return (await super().readuntil(separator)).upper()

        async def _wait_for_data(self, func_name: str) -> None:
            calls.append("wait")
            await super()._wait_for_data(func_name)

    listener = raw_peers.listen()
    reader = Reader(loop=asyncio.get_running_loop())
    async with connect_with_protocol(streams, listener.address, reader=reader):
        peer = listener.accept()
        reading = asyncio.ensure_future(reader.readline())
        await asyncio.sleep(0)
        peer.send(b"line\n")
        assert await reading == b"LINE\n"
        ending = asyncio.ensure_future(reader.read())
        await asyncio.sleep(0)
        peer.half_close()
        assert await ending == b""
        assert calls == ["transport", ("until", b"\n"), "wait", ("data", b"line\n"), "wait", "eof"]


@pytest.mark.parametrize("call", ["read", "readexactly", "readuntil", "readline", "read to the end"])
async def test_read_waits_by_overridden_wait_for_data(streams: types.ModuleType, call: str) -> None:
    class SelfFeedingReader(streams.StreamReader):  # type: ignore[name-defined, misc]
        # A reader that fetches its data itself, for example from a queue of messages.
        async def _wait_for_data(self, func_name: str) -> None:
            self.feed_data(b"fed\n")
            self.feed_eof()

    reader = SelfFeedingReader(loop=asyncio.get_running_loop())
    name, arguments = {
        "readexactly": ("readexactly", (4,)),
        "read": ("read", (9,)),
        "read to the end": ("read", ()),
    }.get(call, (call, ()))
    reading = asyncio.ensure_future(getattr(reader, name)(*arguments))
    await asyncio.sleep(0)
    if not reading.done():
        reading.cancel()
    assert await reading == b"fed\n"


async def test_overridden_set_exception_is_called_at_connection_loss(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    errors: list[BaseException] = []

    class RenamingReader(streams.StreamReader):  # type: ignore[name-defined, misc]
        def set_exception(self, exc: BaseException) -> None:
            errors.append(exc)
            super().set_exception(LookupError("theirs"))

    listener = raw_peers.listen()
    async with connect_with_protocol(
        streams, listener.address, reader=RenamingReader(loop=asyncio.get_running_loop())
    ) as ends:
        reader = ends[0]
        peer = listener.accept()
        reading = asyncio.ensure_future(reader.read(1))
        await asyncio.sleep(0)
        peer.reset()
        with pytest.raises(LookupError):
            await reading
        assert [type(error) for error in errors] == [ConnectionResetError]
        assert isinstance(reader.exception(), LookupError)


async def test_set_exception_replaced_on_instance_is_called_at_connection_loss(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as (reader, _, _protocol):
        reported: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        reader.set_exception = reported.set_result
        peer = listener.accept()
        peer.reset()
        assert isinstance(await reported, ConnectionResetError)


async def test_overridden_writer_methods_are_called(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    calls: list[str] = []

    class Writer(streams.StreamWriter):  # type: ignore[name-defined, misc]
        def write(self, data: bytes) -> None:
            calls.append("write")
            super().write(data.upper())

        def writelines(self, data: Any) -> None:
            calls.append("writelines")
            super().writelines(reversed(data))

        async def drain(self) -> None:
            calls.append("drain")
            await super().drain()

        def close(self) -> None:
            calls.append("close")
            super().close()

        async def wait_closed(self) -> None:
            calls.append("wait_closed")
            await super().wait_closed()

        def is_closing(self) -> bool:
            return bool(super().is_closing())

    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address, writer_class=Writer) as (_, writer, _protocol):
        peer = listener.accept()
        writer.write(b"one ")
        writer.writelines([b"three", b"two "])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert await peer.in_thread(peer.receive_rest) == b"ONE two three"
        assert calls == ["write", "writelines", "drain", "close", "wait_closed"]


async def test_instances_accept_attributes_and_weak_references(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """Libraries store attributes on the objects and refer to them weakly."""
    import weakref

    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as instances:
        for instance in instances:
            instance.something_of_theirs = 1
            assert instance.something_of_theirs == 1
            assert weakref.ref(instance)() is instance
            assert hash(instance) == hash(instance)
