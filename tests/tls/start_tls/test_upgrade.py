"""start_tls() upgrades an open connection to TLS, on either side."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair, server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, start_task


@contextlib.asynccontextmanager
async def upgraded_pair(tls: Certificates, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Yield the streams of both sides of a plain connection after its upgrade to TLS."""
    async with connected_pair(sluiceway, **options) as (near, far):
        near[1].write(b"STARTTLS\n")
        assert await far[0].readline() == b"STARTTLS\n"
        far[1].write(b"go\n")
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        assert await near[0].readline() == b"go\n"
        await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await upgrade
        yield near, far


async def line_arrives(one: Any, other: Any) -> bool:
    one[1].write(b"across\n")
    line: bytes = await other[0].readline()
    return line == b"across\n"


async def test_upgrade_on_both_sides_carries_data_in_both_directions(tls: Certificates) -> None:
    async with upgraded_pair(tls) as (near, far):
        assert await line_arrives(near, far)
        assert await line_arrives(far, near)
        assert not near[1].get_extra_info("ssl_object").server_side
        assert far[1].get_extra_info("ssl_object").server_side


async def test_upgrade_of_a_unix_connection_carries_data(tls: Certificates, unix_path: str) -> None:
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


async def test_upgrade_with_an_ssl_socket_carries_data_and_closes(tls: Certificates, raw_peers: RawPeers) -> None:
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


async def test_pending_data_is_sent_unencrypted_before_the_handshake(tls: Certificates, raw_peers: RawPeers) -> None:
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


async def test_extra_info_after_the_upgrade_has_the_values_of_tls(tls: Certificates) -> None:
    async with upgraded_pair(tls) as (near, far):
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


async def test_concurrent_large_transfers_after_the_upgrade_are_complete(tls: Certificates) -> None:
    data = bytes(range(256)) * 16384
    async with upgraded_pair(tls) as (near, far):

        async def send(end: Any) -> None:
            end[1].write(data)
            await end[1].drain()

        _, _, there, back = await asyncio.gather(
            send(near), send(far), far[0].readexactly(len(data)), near[0].readexactly(len(data))
        )
        assert there == data
        assert back == data


async def test_upgrade_after_reading_was_paused_carries_data(tls: Certificates) -> None:
    limit = 100
    async with connected_pair(sluiceway, client={"limit": limit}) as (near, far):
        far[1].write(b"x" * 5000 + b"\n")
        await run_iterations(20)
        assert await near[0].readexactly(5001) == b"x" * 5000 + b"\n"
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await upgrade
        assert await line_arrives(far, near)
        assert await line_arrives(near, far)


async def test_upgrade_waits_for_data_that_another_task_writes_meanwhile(
    tls: Certificates, raw_peers: RawPeers
) -> None:
    """Another task waited in drain() as start_tls() did, and its next write precedes the upgrade."""
    large = bytes(20 << 20)

    def answer(peer: Any) -> None:
        peer.wait_for("receive")
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
    script.signal("receive")
    await writing
    await upgrade
    await writer.drain()
    writer.write(b"secret")
    assert await reader.readexactly(6) == b"terces"
    await script.finished()
    writer.close()
    await writer.wait_closed()


async def test_waiting_read_receives_decrypted_data(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        waiting = asyncio.create_task(near[0].readline())
        await run_iterations(20)
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await upgrade
        far[1].write(b"secret\n")
        assert await waiting == b"secret\n"


async def test_close_after_the_upgrade_sends_pending_data(tls: Certificates) -> None:
    async with upgraded_pair(tls) as (near, far):
        near[1].write(b"the last\n")
        near[1].close()
        await near[1].wait_closed()
        assert await far[0].read() == b"the last\n"
        assert near[1].is_closing()


async def test_server_wait_closed_waits_for_an_upgraded_connection(tls: Certificates) -> None:
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
    await waiting


# -- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [None, True, "context", 5])
async def test_argument_that_is_not_a_context_raises_type_error(context: Any) -> None:
    async with connected_pair(sluiceway) as (near, far):
        for end in (near, far):
            with pytest.raises(
                TypeError,
                match=rf"start_tls\(\): sslcontext argument must be an ssl.SSLContext, not '{type(context).__name__}'",
            ):
                await end[1].start_tls(context)
        assert await line_arrives(near, far)


async def test_server_hostname_of_wrong_type_raises_type_error(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        with pytest.raises(
            TypeError, match=r"start_tls\(\): server_hostname argument must be a str or None, not 'int'"
        ):
            await near[1].start_tls(tls.client_context, server_hostname=5)  # type: ignore[arg-type]
        assert await line_arrives(near, far)


async def test_missing_server_hostname_raises_value_error(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        for given in ({}, {"server_hostname": None}, {"server_hostname": ""}):
            with pytest.raises(ValueError, match="server_hostname"):
                await near[1].start_tls(tls.client_context, **given)
        assert await line_arrives(near, far)


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("seconds", [0, -1])
async def test_timeout_of_zero_or_less_raises_value_error(name: str, seconds: float, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        for end, context, options in (
            (near, tls.client_context, {"server_hostname": "localhost"}),
            (far, tls.server_context, {}),
        ):
            with pytest.raises(ValueError, match="must be greater than 0"):
                await end[1].start_tls(context, **{name: seconds}, **options)
        assert await line_arrives(near, far)


async def test_upgrade_of_a_closed_connection_raises_connection_error(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, _):
        near[1].close()
        with pytest.raises(ConnectionError):
            await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await near[1].wait_closed()


async def test_unread_data_raises_and_stays_readable(tls: Certificates) -> None:
    """T2: data received before the handshake is never delivered as authenticated data."""
    async with connected_pair(sluiceway) as (near, far):
        far[1].write(b"go\ninjected\n")
        assert await near[0].readline() == b"go\n"
        with pytest.raises(sluiceway.PlaintextBeforeTLSError, match=r"9 unencrypted bytes arrived before") as caught:
            await near[1].start_tls(tls.client_context, server_hostname="localhost")
        assert isinstance(caught.value, ConnectionError)
        assert str(near[1].get_extra_info("peername")[1]) in str(caught.value)
        # The connection is unchanged.
        assert not near[1].is_closing()
        assert near[1].get_extra_info("sslcontext") is None
        assert await near[0].readline() == b"injected\n"
        assert await line_arrives(near, far)
        assert await line_arrives(far, near)


async def test_upgrade_succeeds_after_the_unread_data_was_read(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        far[1].write(b"go\ninjected\n")
        assert await near[0].readline() == b"go\n"
        with pytest.raises(sluiceway.PlaintextBeforeTLSError):
            await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await near[0].readline()
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        await near[1].start_tls(tls.client_context, server_hostname="localhost")
        await upgrade
        assert await line_arrives(near, far)


async def test_loop_start_tls_with_a_protocol_of_the_program_logs_no_warning(
    tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """As in nats.py, which passes the new transport to a writer and not to the protocol."""

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
