"""Stream.start_tls() while something else reads or sends (contract T2)."""

import asyncio
import io
import ssl
from typing import Any

import pytest

import sluiceway
from sluiceway._constants import TLS_HANDSHAKE_TIMEOUT
from stream.streams import peer_stream, stream_pair
from support.manual_timers import manual_timers
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, start_task, wait_until


async def upgrade(client: sluiceway.Stream, server: sluiceway.Stream, tls: Any) -> None:
    await asyncio.gather(
        client.start_tls(tls.client_context, server_hostname="localhost"),
        server.start_tls(tls.server_context, server_side=True),
    )


@pytest.mark.parametrize("policy", ["skip", "truncate", "frames", "skip()"])
async def test_upgrade_while_a_record_is_dropped_raises_and_changes_nothing(tls: Any, policy: str) -> None:
    """R4: the rest of the record would otherwise be missing in the decrypted bytes."""
    async with stream_pair() as (client, server):
        if policy == "skip()":
            items: Any = None
            await client.send(b"xxxx")
            reading = await start_task(server.skip(20))
        else:
            items = server.lines(max_length=4, overlong="skip" if policy == "skip" else "truncate")
            if policy == "frames":
                items = server.frames(length_bytes=1, max_size=4, overlong="skip")
            await client.send(b"\x13too long" if policy == "frames" else b"too long")
            if policy == "truncate":
                assert await anext(items) == b"too "
            reading = await start_task(asyncio.wait_for(anext(items), 60))
        await wait_until(lambda: server.stats.bytes_received and not server.stats.unread_bytes)
        reading.cancel()
        await asyncio.wait([reading])
        with pytest.raises(RuntimeError, match=r"start_tls\(\): the rest of an overlong record, or of a"):
            await server.start_tls(tls.server_context, server_side=True)
        with pytest.raises(RuntimeError, match="has not arrived yet"):
            await server.start_tls(tls.client_context, server_hostname="localhost", server_side=False)
        await client.send({"skip()": b"x" * 16, "frames": b"x" * 11}.get(policy, b" line\n"))
        await client.send(b"\x04next" if policy == "frames" else b"next\n")
        assert await (server.read(5) if items is None else anext(items)) in (b"next\n", b"next")
        await upgrade(client, server, tls)
        await client.send(b"over TLS")
        assert await server.read_exactly(8) == b"over TLS"


@pytest.mark.parametrize("name", [None, ""])
async def test_client_without_a_name_to_check_raises_and_stays_unencrypted(tls: Any, name: str | None) -> None:
    async with stream_pair() as (client, server):
        for upgrading in (client, client.writer):
            with pytest.raises(ValueError, match=r"start_tls\(\): server_hostname is missing or empty"):
                await upgrading.start_tls(tls.client_context, server_hostname=name)
        await client.send(b"plain")
        assert await server.read() == b"plain"


@pytest.mark.parametrize("operation", ["send", "send_frame", "sendfile"])
async def test_what_other_tasks_send_during_the_handshake_is_encrypted(
    raw_peers: RawPeers, tls: Any, tmp_path: Any, operation: str
) -> None:
    """T2: in the order of the calls."""
    path = tmp_path / "file"
    path.write_bytes(b"secret")

    def answer(peer: RawPeer) -> bytes:
        peer.start_tls(tls.server_context, server_side=True)
        return peer.receive(10 if operation == "send_frame" else 6) + peer.receive(4)

    async with peer_stream(raw_peers) as (stream, peer):
        upgrading = await start_task(stream.start_tls(tls.client_context, server_hostname="localhost"))
        with path.open("rb") as file:
            calls: dict[str, Any] = {
                "send": lambda: stream.send([bytearray(b"sec"), b"ret"]),
                "send_frame": lambda: stream.send_frame(b"secret"),
                "sendfile": lambda: stream.sendfile(file),
            }
            sending = await start_task(calls[operation]())
            last = await start_task(stream.send(b"last"))
            await run_iterations()
            received = await peer.in_thread(answer, peer)
            await asyncio.gather(upgrading, sending, last)
        stream.abort()
        assert received == (b"\0\0\0\6" if operation == "send_frame" else b"") + b"secretlast"


@pytest.mark.parametrize("first", ["stream", "writer"])
async def test_start_tls_of_the_writer_during_another_one_raises_at_once(tls: Any, first: str) -> None:
    async with stream_pair() as (client, server):
        upgrading = await start_task(
            (client if first == "stream" else client.writer).start_tls(tls.client_context, server_hostname="localhost")
        )
        await wait_until(lambda: server.stats.bytes_received)
        with pytest.raises(RuntimeError, match=r"^start_tls\(\): another start_tls\(\) of connection .* is running"):
            # Its first step raises.
            client.writer.start_tls(tls.client_context, server_hostname="localhost").send(None)
        await server.start_tls(tls.server_context, server_side=True)
        await upgrading
        await client.send(b"over TLS")
        assert await server.read_exactly(8) == b"over TLS"


async def test_start_tls_of_the_writer_while_that_of_the_stream_waits_to_send_raises(tls: Any) -> None:
    async with stream_pair() as (client, server):
        connection: Any = client.writer._sluiceway.connection
        async with connection.keep_record().sending_alone():
            upgrading = await start_task(client.start_tls(tls.client_context, server_hostname="localhost"))
            with pytest.raises(RuntimeError, match="is running"):
                client.writer.start_tls(tls.client_context, server_hostname="localhost").send(None)
        await server.start_tls(tls.server_context, server_side=True)
        await upgrading


async def test_cancelled_second_start_tls_leaves_the_first_counted_for_min_rate(tls: Any) -> None:
    """D1: the bytes of the first handshake still count."""
    async with stream_pair() as (client, server):
        upgrading = await start_task(client.start_tls(tls.client_context, server_hostname="localhost"))
        second = await start_task(client.start_tls(tls.client_context, server_hostname="localhost"))
        record: Any = client.writer._sluiceway.connection.record
        await wait_until(lambda: record.upgrade is not None)
        second.cancel()
        await asyncio.wait([second])
        assert record.upgrade is not None
        await server.start_tls(tls.server_context, server_side=True)
        await upgrading
        assert record.upgrade is None


async def test_sends_after_the_handshake_do_not_take_the_path_of_waiting_ones(tls: Any) -> None:
    async with stream_pair() as (client, server):
        await upgrade(client, server, tls)
        await client.sendfile(io.BytesIO(b"file"))
        record = client.writer._sluiceway.connection.record
        assert record.send_lock is None


async def test_pushed_back_bytes_are_refused_by_a_client_and_used_by_a_server(tls: Any) -> None:
    """T2, R5: a server can look at the first bytes."""
    async with stream_pair() as (client, server):
        client.push_back(b"plain")
        with pytest.raises(sluiceway.PlaintextBeforeTLSError, match="5 unencrypted bytes"):
            await client.start_tls(tls.client_context, server_hostname="localhost")
        assert await client.read(5) == b"plain"
        upgrading = await start_task(client.start_tls(tls.client_context, server_hostname="localhost"))
        first = await server.read(1)
        assert first == b"\x16"
        server.push_back(first)
        await server.start_tls(tls.server_context, server_side=True)
        await upgrading
        await client.send(b"over TLS")
        assert await server.read_exactly(8) == b"over TLS"


@pytest.mark.parametrize("early", [True, False])
async def test_bytes_received_are_those_of_the_program(tls: Any, early: bool) -> None:
    """Whether the ClientHello arrives before the call of start_tls() or during it."""
    async with stream_pair() as (client, server):
        await client.send(b"STARTTLS\n")
        assert await server.read_line() == b"STARTTLS\n"
        if early:
            upgrading = await start_task(client.start_tls(tls.client_context, server_hostname="localhost"))
            server.push_back(await server.read(1))
        else:
            accepting = await start_task(server.start_tls(tls.server_context, server_side=True))
            upgrading = await start_task(client.start_tls(tls.client_context, server_hostname="localhost"))
        await (server.start_tls(tls.server_context, server_side=True) if early else accepting)
        await upgrading
        await client.send(b"over TLS")
        assert await server.read_exactly(8) == b"over TLS"
        assert (server.stats.bytes_received, client.stats.bytes_received) == (17, 0)


async def test_pushed_back_bytes_that_had_not_arrived_make_no_negative_count(tls: Any) -> None:
    async with stream_pair() as (_, server):
        server.push_back(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            await server.start_tls(tls.server_context, server_side=True)
        assert server.stats.bytes_received == 0


async def test_handshake_may_take_as_long_as_the_timeout_of_the_call(tls: Any) -> None:
    """D1: the default limit of a handshake does not apply."""
    async with stream_pair() as (client, server):
        with manual_timers(TLS_HANDSHAKE_TIMEOUT) as timers:
            call = client.start_tls(tls.client_context, server_hostname="localhost", timeout=3600)
            upgrading = await start_task(call)
            await wait_until(lambda: server.stats.bytes_received)
            timers.fire()
            await server.start_tls(tls.server_context, server_side=True)
            await upgrading


@pytest.mark.parametrize("name", ["https://localhost", "a..b", "x" * 64, None])
async def test_invalid_server_hostname_raises_error_that_names_call_and_connection(tls: Any, name: str | None) -> None:
    async with stream_pair() as (client, server):
        message = r"start_tls\(\): server_hostname .* \(connection 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+\)$"
        with pytest.raises(ValueError, match=message):
            await client.start_tls(tls.client_context, server_hostname=name)
        await client.send(b"still open")
        assert await server.read_exactly(10) == b"still open"


@pytest.mark.parametrize("server_side", [True, False])
async def test_context_of_the_other_side_raises_error_that_names_both_sides(tls: Any, server_side: bool) -> None:
    given, needed = ("client", "server") if server_side else ("server", "client")
    context = tls.client_context if server_side else tls.server_context
    async with stream_pair() as (stream, _):
        message = (
            rf"the context is a {given} context \(ssl\.PROTOCOL_TLS_{given.upper()}\), and this side acts as the TLS "
            rf"{needed}; pass a {needed} context, or server_side={not server_side} "
        )
        with pytest.raises(ValueError, match=message):
            await stream.start_tls(context, server_hostname="localhost", server_side=server_side)


async def test_pushed_back_plaintext_on_a_server_fails_the_handshake(tls: Any) -> None:
    async with stream_pair() as (_, server):
        server.push_back(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            await server.start_tls(tls.server_context, server_side=True)


async def test_abort_after_the_upgrade_counts_what_tls_has_not_sent(tls: Any) -> None:
    """X2: plaintext that waits, and records that the transport below has."""
    async with stream_pair() as (client, server):
        await upgrade(client, server, tls)
        client.writer.write(bytes(20_000_000))
        transport: Any = client.writer.transport
        unsent = transport.get_write_buffer_size()
        transport.abort()
        assert await client.aclose() == sluiceway.CloseInfo(False, unsent, False, "aborted")
        server.abort()
