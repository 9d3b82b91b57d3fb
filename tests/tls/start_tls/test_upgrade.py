"""start_tls on either side of an open connection, on every loop."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair, server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, start_task


@contextlib.asynccontextmanager
async def upgraded(tls: Certificates, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Yield both ends of a connection that has spoken plainly and speaks TLS now."""
    async with connected_pair(sluiceway, **options) as (near, far):
        near[1].write(b"STARTTLS\n")
        assert await far[0].readline() == b"STARTTLS\n"
        far[1].write(b"go\n")
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        assert await near[0].readline() == b"go\n"
        await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await upgrade
        yield near, far


async def crosses(one: Any, other: Any) -> bool:
    one[1].write(b"across\n")
    line: bytes = await other[0].readline()
    return line == b"across\n"


async def test_both_sides_each_in_its_part(tls: Certificates) -> None:
    async with upgraded(tls) as (near, far):
        assert await crosses(near, far)
        assert await crosses(far, near)
        assert not near[1].get_extra_info("ssl_object").server_side
        assert far[1].get_extra_info("ssl_object").server_side


async def test_over_a_unix_socket(tls: Certificates, unix_path: str) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        await reader.readline()
        writer.write(b"go\n")
        await writer.start_tls(tls.server_context)
        writer.write(await reader.readline())
        writer.close()

    async with await sluiceway.start_unix_server(handle, unix_path):
        reader, writer = await sluiceway.open_unix_connection(unix_path)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go\n"
        await writer.start_tls(tls.client_context, server_hostname="localhost")
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        writer.close()
        await writer.wait_closed()


async def test_with_a_peer_that_is_not_ours(tls: Certificates, raw_peers: RawPeers) -> None:
    def serve(peer: Any) -> bytes:
        assert peer.receive(9) == b"STARTTLS\n"
        peer.send(b"go\n")
        peer.start_tls(tls.server_context, server_side=True)
        received: bytes = peer.receive(6)
        peer.send(b"bye\n")
        peer.unwrap_tls()
        return received

    script = raw_peers.serve(serve)
    reader, writer = await sluiceway.open_connection(*script.address)
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"go\n"
    await writer.start_tls(tls.client_context, server_hostname="localhost")
    writer.write(b"hello\n")
    assert await reader.readline() == b"bye\n"
    writer.close()
    await writer.wait_closed()
    assert await script.finished() == b"hello\n"


async def test_what_was_buffered_is_sent_plainly_before(tls: Certificates, raw_peers: RawPeers) -> None:
    data = bytes(range(256)) * 16384

    def serve(peer: Any) -> bytes:
        plain: bytes = peer.receive(len(data))
        peer.start_tls(tls.server_context, server_side=True)
        assert peer.receive(9) == b"encrypted"
        peer.unwrap_tls()
        return plain

    script = raw_peers.serve(serve)
    _, writer = await sluiceway.open_connection(*script.address)
    writer.write(data)
    await writer.start_tls(tls.client_context, server_hostname="localhost")
    writer.write(b"encrypted")
    writer.close()
    await writer.wait_closed()
    assert await script.finished() == data


async def test_what_can_be_asked_afterwards(tls: Certificates) -> None:
    async with upgraded(tls) as (near, far):
        assert near[1].get_extra_info("peername") == far[1].get_extra_info("sockname")
        assert near[1].get_extra_info("sslcontext") is tls.client_context
        assert far[1].get_extra_info("sslcontext") is tls.server_context
        assert near[1].get_extra_info("peercert")["subjectAltName"]
        assert near[1].get_extra_info("cipher")
        assert near[1].transport is near[1].get_extra_info("nothing", near[1].transport)
        assert not near[1].can_write_eof()
        near[1].close()
        await near[1].wait_closed()
        assert near[1].get_extra_info("peercert")["subjectAltName"]


async def test_a_large_transfer_both_ways(tls: Certificates) -> None:
    data = bytes(range(256)) * 16384
    async with upgraded(tls) as (near, far):

        async def send(end: Any) -> None:
            end[1].write(data)
            await end[1].drain()

        _, _, there, back = await asyncio.gather(
            send(near), send(far), far[0].readexactly(len(data)), near[0].readexactly(len(data))
        )
        assert there == data
        assert back == data


async def test_flow_control_goes_on(tls: Certificates) -> None:
    """Writing pauses, and reading does (R3): the far side cannot send without end into the near one's memory."""
    limit, total, step = 8192, 16 << 20, 1 << 16
    sent = 0

    async def send(writer: Any) -> None:
        nonlocal sent
        while sent < total:
            writer.write(bytes(step))
            await writer.drain()
            sent += step

    async with upgraded(tls, client={"limit": limit}) as (near, far):
        sending = asyncio.create_task(send(far[1]))
        for _ in range(2000):
            await asyncio.sleep(0)
        assert sent < total
        assert len(near[0]._buffer) <= 2 * limit + (32 << 10)
        received = 0
        while received < total:
            received += len(await near[0].read(1 << 20))
        await sending


async def test_a_reader_that_was_paused_before(tls: Certificates) -> None:
    limit = 100
    async with connected_pair(sluiceway, client={"limit": limit}) as (near, far):
        far[1].write(b"x" * 5000 + b"\n")
        await run_iterations(20)
        assert await near[0].readexactly(5001) == b"x" * 5000 + b"\n"
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await upgrade
        assert await crosses(far, near)
        assert await crosses(near, far)


async def test_a_transport_that_is_full_again(tls: Certificates, raw_peers: RawPeers) -> None:
    """By a task that had waited for room as start_tls had, and went on before it."""
    large = bytes(20 << 20)

    def answer(peer: Any) -> None:
        peer.wait_for("go on")
        peer.receive(2 * len(large))
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(peer.receive(6)[::-1])

    async def write_again() -> None:
        await writer.drain()
        writer.write(large)

    script = raw_peers.serve(answer)
    reader, writer = await sluiceway.open_connection(*script.address)
    writer.write(large)
    writing = await start_task(write_again())
    upgrade = await start_task(writer.start_tls(tls.client_context, server_hostname="localhost"))
    script.signal("go on")
    await writing
    await upgrade
    await writer.drain()
    writer.write(b"secret")
    assert await reader.readexactly(6) == b"terces"
    await script.finished()
    writer.close()
    await writer.wait_closed()


async def test_a_read_that_waits_meanwhile_gets_what_is_decrypted(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        waiting = asyncio.create_task(near[0].readline())
        await run_iterations(20)
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await upgrade
        far[1].write(b"secret\n")
        assert await waiting == b"secret\n"


async def test_closing_afterwards(tls: Certificates) -> None:
    async with upgraded(tls) as (near, far):
        near[1].write(b"the last\n")
        near[1].close()
        await near[1].wait_closed()
        assert await far[0].read() == b"the last\n"
        assert near[1].is_closing()


async def test_the_servers_handlers_and_count_know_the_end(tls: Certificates) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        await writer.start_tls(tls.server_context)
        await reader.read()
        writer.close()

    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    _, writer = await sluiceway.open_connection(*server_address(server))
    await writer.start_tls(tls.client_context, server_hostname="localhost")
    server.close()
    waiting = asyncio.create_task(server.wait_closed())
    await run_iterations(20)
    assert not waiting.done()
    writer.close()
    await writer.wait_closed()
    await asyncio.wait_for(waiting, 5)


# -- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [None, True, "context", 5])
async def test_what_is_no_context(context: Any, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        for end in (near, far):
            with pytest.raises(
                TypeError, match=rf"start_tls\(\): sslcontext must be an ssl.SSLContext, not '{type(context).__name__}'"
            ):
                await end[1].start_tls(context)
        assert await crosses(near, far)


async def test_a_name_is_missing_where_it_is_checked(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        for given in ({}, {"server_hostname": None}, {"server_hostname": ""}):
            with pytest.raises(ValueError, match="server_hostname"):
                await near[1].start_tls(tls.client_context, **given)
        assert await crosses(near, far)


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_timeout_that_is_not_above_zero(name: str, seconds: float, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        for end, context, options in (
            (near, tls.client_context, {"server_hostname": "localhost"}),
            (far, tls.server_context, {}),
        ):
            with pytest.raises(ValueError, match="positive"):
                await end[1].start_tls(context, **{name: seconds}, **options)
        assert await crosses(near, far)


async def test_of_a_closed_connection(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, _):
        near[1].close()
        with pytest.raises(ConnectionError):
            await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await near[1].wait_closed()


async def test_plaintext_before_it_is_refused_and_stays_readable(tls: Certificates) -> None:
    """The STARTTLS injection: bytes of before the handshake never pass for authenticated ones."""
    async with connected_pair(sluiceway) as (near, far):
        far[1].write(b"go\ninjected\n")
        assert await near[0].readline() == b"go\n"
        with pytest.raises(sluiceway.PlaintextBeforeTLSError, match=r"9 unencrypted bytes arrived before") as caught:
            await near[1].start_tls(tls.client_context, server_hostname="localhost")
        assert isinstance(caught.value, ConnectionError)
        assert str(near[1].get_extra_info("peername")[1]) in str(caught.value)
        # Nothing has happened to the connection.
        assert not near[1].is_closing()
        assert near[1].get_extra_info("sslcontext") is None
        assert await near[0].readline() == b"injected\n"
        assert await crosses(near, far)
        assert await crosses(far, near)


async def test_plaintext_before_it_fails_the_servers_handshake(tls: Certificates) -> None:
    """On the server it is a part of the handshake, which a ClientHello would be too, and never read as a command."""
    async with connected_pair(sluiceway) as (near, far):
        near[1].write(b"STARTTLS\nMAIL FROM: somebody\n")
        assert await far[0].readline() == b"STARTTLS\n"
        with pytest.raises(ssl.SSLError, match=str(far[1].get_extra_info("peername")[1])):
            await far[1].start_tls(tls.server_context)
        assert far[1].is_closing()
        with pytest.raises(ssl.SSLError):
            await far[0].readline()


async def test_a_client_hello_that_came_early_is_used(tls: Certificates, raw_peers: RawPeers) -> None:
    """A client that is in a hurry sends it in one segment with the command (contract T2)."""

    def hurry(peer: Any) -> bytes:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = tls.client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        peer.send(b"STARTTLS\n" + outgoing.read())
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(peer.sock.recv(65536))
        client.write(b"safe\n")
        peer.send(outgoing.read())
        while True:
            try:
                return client.read(100)
            except ssl.SSLWantReadError:
                incoming.write(peer.sock.recv(65536))

    async def upgrade(reader: Any, writer: Any) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        # All of it is there before the upgrade begins.
        while not reader._sluiceway.buffer.size():
            await asyncio.sleep(0)
        await writer.start_tls(tls.server_context)
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async with await sluiceway.start_server(upgrade, "127.0.0.1", 0) as server:
        script = raw_peers.run_client(server.sockets[0].getsockname(), hurry)
        assert await script.finished() == b"safe\n"


async def test_after_the_plaintext_was_read_it_works(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        far[1].write(b"go\ninjected\n")
        assert await near[0].readline() == b"go\n"
        with pytest.raises(sluiceway.PlaintextBeforeTLSError):
            await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await near[0].readline()
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await upgrade
        assert await crosses(near, far)


@pytest.mark.loops("asyncio", "debug", "eager")
async def test_loop_start_tls_with_a_protocol_of_the_program_logs_no_warning(
    tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """As nats.py does: the protocol is not given the transport, the writer is."""

    async def handle(reader: Any, writer: Any) -> None:
        await reader.readline()
        await writer.start_tls(tls.server_context)
        writer.write(await reader.readline())
        writer.close()

    loop = asyncio.get_running_loop()
    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        _, plain = await sluiceway.open_connection(*server_address(server))
        plain.write(b"STARTTLS\n")
        reader = sluiceway.StreamReader()
        protocol = sluiceway.StreamReaderProtocol(reader)
        transport = await loop.start_tls(plain.transport, protocol, tls.client_context, server_hostname="localhost")
        assert transport is not None
        writer = sluiceway.StreamWriter(transport, protocol, reader, loop)
        writer.write(b"line\n")
        assert await reader.read() == b"line\n"
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
