"""T2: start_tls() after data has arrived: a ClientHello is used, and plaintext is never delivered as TLS data."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import wait_until

COMMAND = b"STARTTLS\r\n"
INJECTED = b"DELETE everything\r\n"


@contextlib.asynccontextmanager
async def server_with_one_connection(**options: Any) -> AsyncIterator[tuple[tuple[str, int], "asyncio.Future[Any]"]]:
    """Yield the address of a server, and a future of the (reader, writer) of its one connection.

    ``options``: further keywords for start_server.
    """
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def handle(*ends: Any) -> None:
        accepted.set_result(ends)
        await over.wait()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, **options) as server:
        try:
            yield server_address(server), accepted
        finally:
            over.set()
            if accepted.done():
                writer = accepted.result()[1]
                writer.transport.abort()
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


def new_manual_tls(peer: RawPeer, tls: Certificates) -> ManualTLS:
    return ManualTLS(peer, tls.client_context, server_hostname="localhost")


@contextlib.asynccontextmanager
async def paused_server(raw_peers: RawPeers, tls: Certificates) -> AsyncIterator[tuple[Any, Any, RawPeer, ManualTLS]]:
    """Yield (reader, writer, peer, manual_tls). The reader has paused for the unread ClientHello, after COMMAND."""
    async with server_with_one_connection(limit=16) as (address, accepted):
        peer = raw_peers.connect(address)
        manual_tls = new_manual_tls(peer, tls)
        peer.send(COMMAND + manual_tls.first_flight())
        reader, writer = await accepted
        assert await reader.readuntil(b"\r\n") == COMMAND
        assert not writer.transport.is_reading()
        yield reader, writer, peer, manual_tls


def finish_handshake_and_echo(manual_tls: ManualTLS) -> bytes:
    """Finish the handshake, send a line, and return the answer."""
    manual_tls.do_handshake()
    manual_tls.send(b"hello\n")
    return manual_tls.receive(6)


def finish_handshake_and_send(manual_tls: ManualTLS, data: bytes) -> None:
    manual_tls.do_handshake()
    manual_tls.send(data)


async def upgrade_and_exchange(
    reader: Any, writer: Any, peer: RawPeer, manual_tls: ManualTLS, tls: Certificates
) -> None:
    """Upgrade this side, and exchange data in both directions."""
    answered = asyncio.create_task(peer.in_thread(finish_handshake_and_echo, manual_tls))
    await writer.start_tls(tls.server_context)
    assert await reader.readline() == b"hello\n"
    writer.write(b"bye..\n")
    assert await answered == b"bye..\n"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("split", [0, 1, 5, 100, None], ids=str)
async def test_client_hello_in_the_segment_of_the_command_is_used(
    split: int | None, version: ssl.TLSVersion, raw_peers: RawPeers, tls: Certificates
) -> None:
    """T2: ``split`` bytes of the ClientHello, or all (None); the rest arrives after start_tls() has started."""
    context = tls.new_client_context()
    context.maximum_version = version
    async with server_with_one_connection() as (address, accepted):
        peer = raw_peers.connect(address)
        manual_tls = ManualTLS(peer, context, server_hostname="localhost")
        hello = manual_tls.first_flight()
        peer.send(COMMAND + hello[:split])
        reader, writer = await accepted
        assert await reader.readuntil(b"\r\n") == COMMAND
        upgrade = asyncio.create_task(writer.start_tls(tls.server_context))
        await asyncio.sleep(0)
        if split is not None:
            peer.send(hello[split:])
        answered = asyncio.create_task(peer.in_thread(finish_handshake_and_echo, manual_tls))
        await upgrade
        assert await reader.readline() == b"hello\n"
        writer.write(b"bye..\n")
        assert await answered == b"bye..\n"


async def test_client_hello_after_a_header_that_was_read_is_used(raw_peers: RawPeers, tls: Certificates) -> None:
    """T2: as after a PROXY header; unread bytes go to the handshake."""
    header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    async with server_with_one_connection() as (address, accepted):
        peer = raw_peers.connect(address)
        manual_tls = new_manual_tls(peer, tls)
        peer.send(header + manual_tls.first_flight())
        reader, writer = await accepted
        assert await reader.readexactly(len(header)) == header
        await upgrade_and_exchange(reader, writer, peer, manual_tls, tls)


async def test_client_hello_received_while_reading_was_paused_is_used(raw_peers: RawPeers, tls: Certificates) -> None:
    """T2: after a command larger than the buffer, part of the ClientHello is still in the kernel."""
    async with server_with_one_connection() as (address, accepted):
        peer = raw_peers.connect(address)
        manual_tls = new_manual_tls(peer, tls)
        padded = b"x" * 300_000 + b"\n"
        sending = asyncio.create_task(peer.in_thread(peer.send, padded + manual_tls.first_flight()))
        reader, writer = await accepted
        assert await reader.readexactly(len(padded)) == padded
        await sending
        await upgrade_and_exchange(reader, writer, peer, manual_tls, tls)


async def test_upgrade_while_reading_is_paused_completes(raw_peers: RawPeers, tls: Certificates) -> None:
    """T2: the unread ClientHello alone exceeds the buffer, and the rest of the handshake is still to be received."""
    async with paused_server(raw_peers, tls) as (reader, writer, peer, manual_tls):
        await upgrade_and_exchange(reader, writer, peer, manual_tls, tls)


async def test_decrypted_data_pauses_the_transport_after_an_upgrade_while_reading_was_paused(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    """R3: the pause for the unread ClientHello ends with the upgrade, so the reader can pause again."""
    async with paused_server(raw_peers, tls) as (reader, writer, peer, manual_tls):
        sending = asyncio.create_task(peer.in_thread(finish_handshake_and_send, manual_tls, bytes(1000)))
        stream = sluiceway.Stream.from_pair(reader, writer)
        await writer.start_tls(tls.server_context)
        await sending
        await wait_until(lambda: stream.stats.unread_bytes > 0)
        assert not writer.transport.is_reading()
        assert await stream.read_exactly(1000) == bytes(1000)


async def test_data_in_the_segment_of_the_last_handshake_message_is_delivered(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    """T2: encrypted data after the last message of the handshake is delivered in order."""

    def upgrade_peer(peer: RawPeer) -> bytes:
        manual_tls = new_manual_tls(peer, tls)
        peer.send(COMMAND + manual_tls.first_flight())
        manual_tls.do_handshake()
        peer.send(manual_tls.encrypt(b"a\n", b"b\n") + manual_tls.encrypt(b"c\n"))
        return manual_tls.receive(4)

    async with server_with_one_connection() as (address, accepted):
        script = raw_peers.run_client(address, upgrade_peer)
        reader, writer = await accepted
        assert await reader.readuntil(b"\r\n") == COMMAND
        await writer.start_tls(tls.server_context)
        assert [await reader.readline() for _ in range(3)] == [b"a\n", b"b\n", b"c\n"]
        writer.write(b"done")
        assert await script.finished() == b"done"


@pytest.mark.parametrize("hello_follows", [False, True])
async def test_plaintext_after_the_command_fails_the_handshake_of_the_server(
    hello_follows: bool, raw_peers: RawPeers, tls: Certificates
) -> None:
    """T2: injected plaintext goes to the handshake, which fails, and never to the reader."""
    async with server_with_one_connection() as (address, accepted):
        peer = raw_peers.connect(address)
        hello = new_manual_tls(peer, tls).first_flight() if hello_follows else b""
        peer.send(COMMAND + INJECTED + hello)
        reader, writer = await accepted
        assert await reader.readuntil(b"\r\n") == COMMAND
        with pytest.raises(ssl.SSLError, match=re.escape(f"127.0.0.1:{peer.sock.getsockname()[1]}")):
            await writer.start_tls(tls.server_context)
        with contextlib.suppress(OSError):
            assert await reader.read() == b""
        assert writer.is_closing()


async def test_plaintext_after_the_client_hello_fails_the_handshake(raw_peers: RawPeers, tls: Certificates) -> None:
    async with server_with_one_connection() as (address, accepted):
        peer = raw_peers.connect(address)
        peer.send(COMMAND + new_manual_tls(peer, tls).first_flight() + INJECTED)
        reader, writer = await accepted
        assert await reader.readuntil(b"\r\n") == COMMAND
        with pytest.raises(ssl.SSLError, match=re.escape(f"127.0.0.1:{peer.sock.getsockname()[1]}")):
            await writer.start_tls(tls.server_context)
        with contextlib.suppress(OSError):
            assert await reader.read() == b""


async def test_second_command_in_one_segment_fails_the_handshake(raw_peers: RawPeers, tls: Certificates) -> None:
    """T2: a second STARTTLS line is plaintext."""
    async with server_with_one_connection() as (address, accepted):
        peer = raw_peers.connect(address)
        peer.send(COMMAND + COMMAND)
        reader, writer = await accepted
        assert await reader.readuntil(b"\r\n") == COMMAND
        with pytest.raises(ssl.SSLError):
            await writer.start_tls(tls.server_context)


async def test_unread_data_on_the_client_raises_even_if_it_looks_like_tls(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    """T2: a server sends no TLS data before the ClientHello."""
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    peer = listener.accept()
    peer.send(b"220 go\r\n\x16\x03\x03\x00\x02\x00\x00")
    assert await reader.readuntil(b"\r\n") == b"220 go\r\n"
    with pytest.raises(sluiceway.PlaintextBeforeTLSError, match=str(listener.port)):
        await writer.start_tls(tls.client_context, server_hostname="localhost")
    assert await reader.readexactly(7) == b"\x16\x03\x03\x00\x02\x00\x00"
    writer.close()
    await writer.wait_closed()


# -- server_side= ---------------------------------------------------------------------------------------------------


async def test_server_side_true_makes_the_connecting_side_the_server(raw_peers: RawPeers, tls: Certificates) -> None:
    """T2: as in protocols where the server of TLS opens the connection."""

    def upgrade_peer(peer: RawPeer) -> bytes:
        manual_tls = new_manual_tls(peer, tls)
        peer.send(COMMAND + manual_tls.first_flight())
        return finish_handshake_and_echo(manual_tls)

    script = raw_peers.serve(upgrade_peer)
    reader, writer = await sluiceway.open_connection(*script.address)
    assert await reader.readuntil(b"\r\n") == COMMAND
    await writer.start_tls(tls.server_context, server_side=True)
    assert writer.get_extra_info("ssl_object").server_side
    assert await reader.readline() == b"hello\n"
    writer.write(b"bye..\n")
    assert await script.finished() == b"bye..\n"
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_server_side_false_makes_the_accepting_side_the_client(raw_peers: RawPeers, tls: Certificates) -> None:
    def serve(peer: RawPeer) -> bytes:
        manual_tls = ManualTLS(peer, tls.server_context, server_side=True)
        manual_tls.do_handshake()
        manual_tls.send(b"hello\n")
        return manual_tls.receive(6)

    async with server_with_one_connection() as (address, accepted):
        script = raw_peers.run_client(address, serve)
        reader, writer = await accepted
        await writer.start_tls(tls.client_context, server_side=False, server_hostname="localhost")
        assert not writer.get_extra_info("ssl_object").server_side
        assert await reader.readline() == b"hello\n"
        writer.write(b"bye..\n")
        assert await script.finished() == b"bye..\n"


async def test_unread_data_raises_on_an_accepting_tls_client(raw_peers: RawPeers, tls: Certificates) -> None:
    async with server_with_one_connection() as (address, accepted):
        raw_peers.connect(address).send(COMMAND + INJECTED)
        reader, writer = await accepted
        assert await reader.readuntil(b"\r\n") == COMMAND
        with pytest.raises(sluiceway.PlaintextBeforeTLSError):
            await writer.start_tls(tls.client_context, server_side=False, server_hostname="localhost")
        assert await reader.readuntil(b"\r\n") == INJECTED


@pytest.mark.parametrize("server_side", [False, True])
async def test_context_for_the_other_side_raises(server_side: bool, raw_peers: RawPeers) -> None:
    """The ssl module raises SSLError, and ValueError since Python 3.15."""
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address)
    peer = listener.accept()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if server_side else ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises((ssl.SSLError, ValueError)):
        await writer.start_tls(context, server_side=server_side, server_hostname=None if server_side else "localhost")
    peer.close()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
