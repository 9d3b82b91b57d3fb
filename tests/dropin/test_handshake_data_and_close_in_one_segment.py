"""R2, S10: a peer whose handshake, data and close_notify arrive in one segment is read to the end, as by asyncio."""

import asyncio
import ssl
import types
from typing import Any

import pytest

from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeer, RawPeers


def last_segment(peer: RawPeer, context: ssl.SSLContext, data: bytes) -> bytes:
    """Do a TLS 1.3 client handshake; return its last message together with ``data`` and close_notify."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            session.do_handshake()
            break
        except ssl.SSLWantReadError:
            if outgoing.pending:
                peer.send(outgoing.read())
            incoming.write(peer.sock.recv(1 << 16))
    session.write(data)
    with pytest.raises(ssl.SSLWantReadError):
        session.unwrap()
    return outgoing.read()


def send_in_one_segment(peer: RawPeer, context: ssl.SSLContext, data: bytes) -> bytes:
    """Do a TLS 1.3 client handshake; send its last message together with ``data`` and close_notify."""
    peer.send(last_segment(peer, context, data))
    return peer.receive_rest()


@pytest.mark.parametrize("data", [b"hello", b""], ids=["data", "no data"])
async def test_start_tls_reads_data_that_arrives_with_close_notify(
    streams: types.ModuleType, data: bytes, raw_peers: RawPeers, tls: Certificates
) -> None:
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handler(reader: Any, writer: Any) -> None:
        try:
            writer.write(await reader.readexactly(8))
            await writer.start_tls(tls.server_context)
            received.set_result(await reader.read())
        except OSError as error:
            received.set_exception(error)
        finally:
            writer.close()

    def start_tls_and_close(peer: RawPeer) -> None:
        peer.send(b"starttls")
        peer.receive(8)
        send_in_one_segment(peer, tls.client_context, data)

    server = await streams.start_server(handler, "127.0.0.1", 0)
    script = raw_peers.run_client(server_address(server), start_tls_and_close)
    assert await received == data
    await script.finished()
    server.close()
    await server.wait_closed()


async def test_start_tls_reads_data_that_arrives_with_close_notify_on_several_connections_at_once(
    streams: types.ModuleType, raw_peers: RawPeers, tls: Certificates
) -> None:
    received: list[asyncio.Task[bytes]] = []

    async def upgrade(reader: Any, writer: Any) -> bytes:
        try:
            writer.write(await reader.readexactly(8))
            await writer.start_tls(tls.server_context)
            data: bytes = await reader.read()
            return data
        finally:
            writer.close()

    def handler(reader: Any, writer: Any) -> None:
        received.append(asyncio.create_task(upgrade(reader, writer)))

    def start_tls_except_last_segment(peer: RawPeer) -> bytes:
        peer.send(b"starttls")
        peer.receive(8)
        return last_segment(peer, tls.client_context, b"hello")

    server = await streams.start_server(handler, "127.0.0.1", 0)
    peers = [raw_peers.connect(server_address(server)) for _ in range(3)]
    segments = [await peer.in_thread(start_tls_except_last_segment, peer) for peer in peers]
    # The loop does not run meanwhile, and finds all connections ready in one iteration.
    for peer, segment in zip(peers, segments, strict=True):
        peer.send(segment)
    assert await asyncio.gather(*received) == [b"hello"] * 3
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("data", [b"hello", b""], ids=["data", "no data"])
async def test_tls_server_reads_data_that_arrives_with_close_notify(
    streams: types.ModuleType, data: bytes, raw_peers: RawPeers, tls: Certificates
) -> None:
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handler(reader: Any, writer: Any) -> None:
        try:
            received.set_result(await reader.read())
        except OSError as error:
            received.set_exception(error)
        finally:
            writer.close()

    server = await streams.start_server(handler, "127.0.0.1", 0, ssl=tls.server_context)
    script = raw_peers.run_client(
        server_address(server), lambda peer: send_in_one_segment(peer, tls.client_context, data)
    )
    assert await received == data
    await script.finished()
    server.close()
    await server.wait_closed()
