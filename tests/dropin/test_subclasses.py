"""S6, S12: classes derived from the readers, protocols and writers are called where asyncio calls them."""

import asyncio
import types
from typing import Any

import pytest

from support.connections import connect_with_protocol
from support.raw_peer import RawPeers


@pytest.mark.parametrize("side", ["create_connection", "create_server"])
async def test_a_protocols_callbacks_are_called(streams: types.ModuleType, side: str, raw_peers: RawPeers) -> None:
    loop = asyncio.get_running_loop()
    calls: list[Any] = []
    over = loop.create_future()

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
            over.set_result(None)

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
        given, writer = await accepted
        assert given is reader
    peer.send(b"some")
    assert await reader.readexactly(4) == b"SOME"
    peer.half_close()
    assert await reader.read() == b""
    # True from eof_received: our side stays open.
    writer.write(b"still open")
    assert await peer.in_thread(peer.receive, 10) == b"still open"
    writer.close()
    await over
    await writer.wait_closed()
    assert calls == ["made", b"some", "eof", ("lost", None)]
    if server is not None:
        server.close()
        await server.wait_closed()


async def test_a_protocols_eof_received_decides(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """A false answer lets the transport close itself."""

    class Closing(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        def eof_received(self) -> bool:
            super().eof_received()
            return False

    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address, protocol_class=Closing) as (reader, writer, _):
        peer = listener.accept()
        peer.send(b"bye")
        peer.half_close()
        assert await reader.read() == b"bye"
        assert await peer.in_thread(peer.receive_rest) == b""
        await writer.wait_closed()


async def test_flow_control_of_a_subclass_sees_the_transport(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    calls: list[str] = []

    class Telling(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        def pause_writing(self) -> None:
            calls.append("pause")
            super().pause_writing()

        def resume_writing(self) -> None:
            calls.append("resume")
            super().resume_writing()

    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address, protocol_class=Telling) as (_, writer, _protocol):
        peer = listener.accept()
        writer.write(b"x" * (8 << 20))
        assert calls == ["pause"]
        receiving = asyncio.ensure_future(peer.in_thread(peer.receive, 8 << 20))
        await writer.drain()
        assert calls == ["pause", "resume"]
        await receiving


async def test_a_drain_helper_of_a_subclass_is_what_drain_waits_for(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    room = asyncio.Event()

    class Patient(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        async def _drain_helper(self) -> None:
            await room.wait()
            await super()._drain_helper()

    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address, protocol_class=Patient) as (_, writer, _protocol):
        draining = asyncio.ensure_future(writer.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        room.set()
        await draining


async def test_a_readers_methods_are_called(streams: types.ModuleType, raw_peers: RawPeers) -> None:
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
async def test_every_read_waits_by_the_overridden_method(streams: types.ModuleType, call: str) -> None:
    class Fed(streams.StreamReader):  # type: ignore[name-defined, misc]
        # What asks somebody else for more, as it is done over a pipe of messages.
        async def _wait_for_data(self, func_name: str) -> None:
            self.feed_data(b"fed\n")
            self.feed_eof()

    reader = Fed(loop=asyncio.get_running_loop())
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


async def test_an_overridden_set_exception_is_told_of_the_loss(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    told: list[BaseException] = []

    class Renaming(streams.StreamReader):  # type: ignore[name-defined, misc]
        def set_exception(self, exc: BaseException) -> None:
            told.append(exc)
            super().set_exception(LookupError("theirs"))

    listener = raw_peers.listen()
    async with connect_with_protocol(
        streams, listener.address, reader=Renaming(loop=asyncio.get_running_loop())
    ) as ends:
        reader = ends[0]
        peer = listener.accept()
        reading = asyncio.ensure_future(reader.read(1))
        await asyncio.sleep(0)
        peer.reset()
        with pytest.raises(LookupError):
            await reading
        assert [type(error) for error in told] == [ConnectionResetError]
        assert isinstance(reader.exception(), LookupError)


async def test_set_exception_replaced_on_an_instance_is_told_of_the_loss(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as (reader, _, _protocol):
        told: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        reader.set_exception = told.set_result
        peer = listener.accept()
        peer.reset()
        assert isinstance(await told, ConnectionResetError)


async def test_a_writers_methods_are_called(streams: types.ModuleType, raw_peers: RawPeers) -> None:
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


async def test_instances_take_attributes(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """Libraries keep their own things on the objects, and refer to them weakly."""
    import weakref

    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as made:
        for one in made:
            one.something_of_theirs = 1
            assert one.something_of_theirs == 1
            assert weakref.ref(one)() is one
            assert hash(one) == hash(one)
