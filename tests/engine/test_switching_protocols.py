"""The protocol of a live transport is replaced, the ways asyncio's own functions and programs do it."""

import asyncio

import pytest

import sluiceway
from engine.ends import End, opened, waiting
from support.certificates import Certificates
from support.peer import Peers


class Plain(asyncio.Protocol):
    def __init__(self, count: int) -> None:
        self.got = bytearray()
        self.count = count
        self.done = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.got += data
        if len(self.got) == self.count:
            self.done.set_result(bytes(self.got))


class Buffered(asyncio.BufferedProtocol):
    def __init__(self, count: int, size: int) -> None:
        self.memory = bytearray(size)
        self.got = bytearray()
        self.count = count
        self.done = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.memory

    def buffer_updated(self, nbytes: int) -> None:
        self.got += self.memory[:nbytes]
        if len(self.got) == self.count:
            self.done.set_result(bytes(self.got))


@pytest.mark.parametrize("kind", ["plain", "buffered", "buffered by one"])
async def test_away_from_the_streams_and_back(peer: Peers, kind: str):
    [end] = await opened(peer)
    end.wire.send(b"streams")
    assert await end.reader.readexactly(7) == b"streams"
    streams = end.transport.get_protocol()
    other = Plain(1000) if kind == "plain" else Buffered(1000, 1 if "one" in kind else 300)
    end.transport.set_protocol(other)
    assert end.transport.get_protocol() is other
    end.wire.send(bytes(range(250)) * 4)
    assert await other.done == bytes(range(250)) * 4
    end.transport.set_protocol(streams)
    reading = asyncio.create_task(end.reader.readexactly(5))
    await waiting(end)
    end.wire.send(b"again")
    assert await reading == b"again"
    await end.close()


async def test_a_protocol_that_fails(peer: Peers, loop_errors):
    class Failing(Plain):
        def data_received(self, data: bytes) -> None:
            raise LookupError("of the protocol")

        def connection_lost(self, error) -> None:
            self.done.set_result(error)

    [end] = await opened(peer)
    streams = end.transport.get_protocol()
    failing = Failing(1)
    end.transport.set_protocol(failing)
    end.wire.send(b"x")
    assert isinstance(await failing.done, LookupError)
    streams.connection_lost(None)
    [context] = loop_errors
    assert isinstance(context["exception"], LookupError)
    loop_errors.clear()
    end.writer.close()


async def test_a_buffer_of_no_room(peer: Peers, loop_errors):
    class Empty(Buffered):
        def connection_lost(self, error) -> None:
            self.done.set_result(error)

    [end] = await opened(peer)
    streams = end.transport.get_protocol()
    empty = Empty(1, 0)
    end.transport.set_protocol(empty)
    end.wire.send(b"x")
    assert isinstance(await empty.done, RuntimeError)
    streams.connection_lost(None)
    [context] = loop_errors
    assert isinstance(context["exception"], RuntimeError)
    loop_errors.clear()
    end.writer.close()


async def test_one_without_data_received(peer: Peers):
    [end] = await opened(peer)
    streams = end.transport.get_protocol()
    end.transport.pause_reading()
    silent = asyncio.BaseProtocol()
    end.transport.set_protocol(silent)
    assert end.transport.get_protocol() is silent
    end.transport.set_protocol(streams)
    end.transport.resume_reading()
    end.wire.send(b"ok")
    assert await end.reader.readexactly(2) == b"ok"
    await end.close()


async def test_two_readers_that_wait_on_one_transport_in_turn(peer: Peers):
    [end] = await opened(peer)
    loop = asyncio.get_running_loop()
    first = end.transport.get_protocol()
    old = asyncio.create_task(end.reader.readexactly(3))
    await waiting(end)
    reader = sluiceway.StreamReader(loop=loop)
    end.transport.set_protocol(sluiceway.StreamReaderProtocol(reader, loop=loop))
    new = asyncio.create_task(reader.readexactly(3))
    await waiting(End(reader, end.writer, end.wire))
    old.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await old
        end.wire.send(b"new")
        assert await new == b"new"
    end.transport.set_protocol(first)
    await end.close()


@pytest.mark.loops("asyncio", "debug", "eager")
@pytest.mark.parametrize("in_a_step", [False, True])
async def test_loop_sendfile(peer: Peers, tmp_path, in_a_step: bool):
    [end] = await opened(peer)
    path = tmp_path / "file"
    data = bytes(range(256)) * 8000
    path.write_bytes(data)
    receiving = asyncio.create_task(end.wire.in_thread(end.wire.receive, len(data) + 12))

    async def send():
        if in_a_step:
            await end.reader.readexactly(1)
        end.writer.write(b"before")
        with path.open("rb") as file:
            assert await asyncio.get_running_loop().sendfile(end.transport, file) == len(data)
        end.writer.write(b"behind")

    sending = asyncio.create_task(send())
    if in_a_step:
        await waiting(end)
        end.wire.send(b"!")
    await sending
    assert await receiving == b"before" + data + b"behind"
    end.wire.send(b"goes on")
    assert await end.reader.readexactly(7) == b"goes on"
    await end.close()


@pytest.mark.loops("asyncio", "debug", "eager")
async def test_loop_start_tls(peer: Peers, tls: Certificates):
    def answer(wire):
        wire.start_tls(tls.server_context, server_side=True)
        wire.send(wire.receive(6)[::-1])

    script = peer.serve(answer)
    reader, writer = await sluiceway.open_connection(*script.address)
    plain = Plain(6)
    encrypted = await asyncio.get_running_loop().start_tls(
        writer.transport, plain, tls.client_context, server_hostname="localhost"
    )
    encrypted.write(b"secret")
    assert await plain.done == b"terces"
    await script.finished()
    encrypted.close()
    writer.transport.abort()
    for _ in range(5):
        await asyncio.sleep(0)
    writer._protocol.connection_lost(None)
    writer.close()


@pytest.mark.loops("uvloop")
async def test_loop_start_tls_of_a_loop_that_takes_its_own_transports_only(peer: Peers, tls: Certificates):
    script = peer.serve(lambda wire: wire.send(wire.receive(6)[::-1]))
    reader, writer = await sluiceway.open_connection(*script.address)
    with pytest.raises(TypeError, match="SocketTransport"):
        await asyncio.get_running_loop().start_tls(writer.transport, Plain(6), tls.client_context)
    writer.write(b"plain.")
    assert await reader.readexactly(6) == b".nialp"
    writer.close()
    await writer.wait_closed()
    await script.finished()


async def test_writer_start_tls(peer: Peers, tls: Certificates):
    def answer(wire):
        assert wire.receive(8) == b"STARTTLS"
        wire.start_tls(tls.server_context, server_side=True)
        wire.send(wire.receive(6)[::-1] + b"\n")
        wire.receive_rest()

    script = peer.serve(answer)
    reader, writer = await sluiceway.open_connection(*script.address)
    writer.write(b"STARTTLS")
    await writer.start_tls(tls.client_context, server_hostname="localhost")
    assert writer.get_extra_info("cipher")
    writer.write(b"secret")
    assert await reader.readline() == b"terces\n"
    writer.close()
    await writer.wait_closed()
    await script.finished()
