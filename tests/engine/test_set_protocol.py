"""set_protocol() on an open transport, by programs and by asyncio's sendfile() and start_tls()."""

import asyncio

import pytest

import sluiceway
from engine.peer_connections import PeerConnection, open_connections, wait_for_readers
from support.certificates import Certificates
from support.connections import connected_pair
from support.raw_peer import RawPeers


class CollectingProtocol(asyncio.Protocol):
    def __init__(self, count: int) -> None:
        self.got = bytearray()
        self.count = count
        self.done = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.got += data
        if len(self.got) == self.count:
            self.done.set_result(bytes(self.got))


class CollectingBufferedProtocol(asyncio.BufferedProtocol):
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


@pytest.mark.parametrize("kind", ["plain", "buffered", "buffered by 1 byte"])
async def test_data_goes_to_the_current_protocol_after_set_protocol(raw_peers: RawPeers, kind: str):
    [connection] = await open_connections(raw_peers)
    connection.peer.send(b"streams")
    assert await connection.reader.readexactly(7) == b"streams"
    streams = connection.transport.get_protocol()
    other = (
        CollectingProtocol(1000)
        if kind == "plain"
        else CollectingBufferedProtocol(1000, 1 if "1 byte" in kind else 300)
    )
    connection.transport.set_protocol(other)
    assert connection.transport.get_protocol() is other
    connection.peer.send(bytes(range(250)) * 4)
    assert await other.done == bytes(range(250)) * 4
    connection.transport.set_protocol(streams)
    reading = asyncio.create_task(connection.reader.readexactly(5))
    await wait_for_readers(connection)
    connection.peer.send(b"again")
    assert await reading == b"again"
    await connection.close()


async def test_exception_of_data_received_is_reported_and_ends_the_connection(raw_peers: RawPeers, loop_errors):
    class Failing(CollectingProtocol):
        def data_received(self, data: bytes) -> None:
            raise LookupError("of the protocol")

        def connection_lost(self, error) -> None:
            self.done.set_result(error)

    [connection] = await open_connections(raw_peers)
    streams = connection.transport.get_protocol()
    failing = Failing(1)
    connection.transport.set_protocol(failing)
    connection.peer.send(b"x")
    assert isinstance(await failing.done, LookupError)
    streams.connection_lost(None)
    [context] = loop_errors
    assert isinstance(context["exception"], LookupError)
    loop_errors.clear()
    connection.writer.close()


async def test_empty_buffer_of_get_buffer_is_reported_and_ends_the_connection(raw_peers: RawPeers, loop_errors):
    class Empty(CollectingBufferedProtocol):
        def connection_lost(self, error) -> None:
            self.done.set_result(error)

    [connection] = await open_connections(raw_peers)
    streams = connection.transport.get_protocol()
    empty = Empty(1, 0)
    connection.transport.set_protocol(empty)
    connection.peer.send(b"x")
    assert isinstance(await empty.done, RuntimeError)
    streams.connection_lost(None)
    [context] = loop_errors
    assert isinstance(context["exception"], RuntimeError)
    loop_errors.clear()
    connection.writer.close()


async def test_protocol_without_data_received_is_accepted_while_paused(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    streams = connection.transport.get_protocol()
    connection.transport.pause_reading()
    silent = asyncio.BaseProtocol()
    connection.transport.set_protocol(silent)
    assert connection.transport.get_protocol() is silent
    connection.transport.set_protocol(streams)
    connection.transport.resume_reading()
    connection.peer.send(b"ok")
    assert await connection.reader.readexactly(2) == b"ok"
    await connection.close()


async def test_reader_of_a_new_protocol_receives_while_the_old_read_waits(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    loop = asyncio.get_running_loop()
    first = connection.transport.get_protocol()
    old = asyncio.create_task(connection.reader.readexactly(3))
    await wait_for_readers(connection)
    reader = sluiceway.StreamReader(loop=loop)
    connection.transport.set_protocol(sluiceway.StreamReaderProtocol(reader, loop=loop))
    new = asyncio.create_task(reader.readexactly(3))
    await wait_for_readers(PeerConnection(reader, connection.writer, connection.peer))
    old.cancel()
    with pytest.raises(asyncio.CancelledError):
        await old
    connection.peer.send(b"new")
    assert await new == b"new"
    connection.transport.set_protocol(first)
    await connection.close()


@pytest.mark.loops("asyncio", "debug", "eager")
@pytest.mark.parametrize("in_poller_step", [False, True])
async def test_loop_sendfile_sends_the_file_between_two_writes(raw_peers: RawPeers, tmp_path, in_poller_step: bool):
    [connection] = await open_connections(raw_peers)
    path = tmp_path / "file"
    data = bytes(range(256)) * 8000
    path.write_bytes(data)
    receiving = asyncio.create_task(connection.peer.in_thread(connection.peer.receive, len(data) + 12))

    async def send():
        if in_poller_step:
            await connection.reader.readexactly(1)
        connection.writer.write(b"before")
        with path.open("rb") as file:
            assert await asyncio.get_running_loop().sendfile(connection.transport, file) == len(data)
        connection.writer.write(b"behind")

    sending = asyncio.create_task(send())
    if in_poller_step:
        await wait_for_readers(connection)
        connection.peer.send(b"!")
    await sending
    assert await receiving == b"before" + data + b"behind"
    connection.peer.send(b"goes on")
    assert await connection.reader.readexactly(7) == b"goes on"
    await connection.close()


async def test_loop_start_tls_upgrades_the_transport(raw_peers: RawPeers, tls: Certificates):
    def answer(peer):
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(peer.receive(6)[::-1])

    script = raw_peers.serve(answer)
    reader, writer = await sluiceway.open_connection(*script.address)
    plain = CollectingProtocol(6)
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
async def test_loop_start_tls_upgrades_transports_of_uvloop_too(raw_peers: RawPeers, tls: Certificates):
    def answer(peer):
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(peer.receive(6)[::-1])

    loop = asyncio.get_running_loop()
    async with connected_pair(sluiceway):
        script = raw_peers.serve(answer)
        own, _ = await loop.create_connection(asyncio.Protocol, *script.address)
        plain = CollectingProtocol(6)
        encrypted = await loop.start_tls(own, plain, tls.client_context, server_hostname="localhost")
        assert type(encrypted).__module__.startswith("uvloop.")
        encrypted.write(b"secret")
        assert await plain.done == b"terces"
        encrypted.abort()
        await script.finished()
        with pytest.raises(TypeError, match="object"):
            await loop.start_tls(object(), plain, tls.client_context)


@pytest.mark.loops("uvloop")
async def test_start_tls_that_a_program_has_replaced_stays(raw_peers: RawPeers):
    loop = asyncio.get_running_loop()
    loop.start_tls = replacement = object()
    async with connected_pair(sluiceway):
        assert loop.start_tls is replacement
