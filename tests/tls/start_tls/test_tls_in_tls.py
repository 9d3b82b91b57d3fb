"""TLS in TLS: start_tls() on a connection that already is TLS, as through an HTTPS proxy, on either side."""

import asyncio
import contextlib
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair, server_address
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers

DATA = bytes(range(256)) * 4096


async def close(writer: Any) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_client_starts_tls_in_tls(raw_peers: RawPeers, tls: Certificates) -> None:
    def serve(peer: RawPeer) -> bytes:
        outer = ManualTLS(peer, tls.server_context, server_side=True)
        outer.do_handshake()
        assert outer.receive(8) == b"CONNECT\n"
        outer.send(b"go\n")
        inner = ManualTLS(outer, tls.server_context, server_side=True)
        inner.do_handshake()
        received = inner.receive(len(DATA))
        inner.send(b"thanks\n")
        outer.send(inner.close_notify())
        peer.send(outer.close_notify())
        return received

    script = raw_peers.serve(serve)
    reader, writer = await sluiceway.open_connection(
        *script.address, ssl=tls.client_context, server_hostname="localhost"
    )
    outer = writer.get_extra_info("ssl_object")
    writer.write(b"CONNECT\n")
    assert await reader.readline() == b"go\n"
    await writer.start_tls(tls.client_context, server_hostname="localhost")
    assert writer.get_extra_info("ssl_object") is not outer
    writer.write(DATA)
    await writer.drain()
    assert await reader.read() == b"thanks\n"
    assert await script.finished() == DATA
    await close(writer)


@pytest.mark.parametrize("early", [False, True])
async def test_server_starts_tls_in_tls(early: bool, raw_peers: RawPeers, tls: Certificates) -> None:
    """With ``early`` the inner ClientHello is in the outer record of the command."""

    async def handle(reader: Any, writer: Any) -> None:
        assert await reader.readline() == b"CONNECT\n"
        if not early:
            writer.write(b"go\n")
        await writer.start_tls(tls.server_context)
        received = await reader.readexactly(len(DATA))
        writer.write(received[:7])
        writer.close()
        await writer.wait_closed()

    def upgrade_peer(peer: RawPeer) -> bytes:
        outer = ManualTLS(peer, tls.client_context, server_hostname="localhost")
        outer.do_handshake()
        inner = ManualTLS(outer, tls.client_context, server_hostname="localhost")
        if early:
            outer.send(b"CONNECT\n" + inner.first_flight())
        else:
            outer.send(b"CONNECT\n")
            assert outer.receive(3) == b"go\n"
        inner.do_handshake()
        inner.send(DATA)
        received = inner.receive_rest()
        outer.send(inner.close_notify())
        peer.send(outer.close_notify())
        return received

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        assert await raw_peers.run_client(server_address(server), upgrade_peer).finished() == DATA[:7]


async def test_three_layers_of_tls_carry_data_in_both_directions(tls: Certificates) -> None:
    named: dict[str, Any] = {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with connected_pair(sluiceway, server={"ssl": tls.server_context}, client=named) as (near, far):
        for _ in range(2):  # three layers at the end
            upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
            await near[1].start_tls(tls.client_context, server_hostname="localhost")
            await upgrade
            for one, other in ((near, far), (far, near)):
                one[1].write(DATA)
                assert await other[0].readexactly(len(DATA)) == DATA
        near[1].close()
        assert await far[0].read() == b""
        assert far[0].eof_reason == "clean"


async def test_extra_info_is_that_of_the_inner_tls(tls: Certificates) -> None:
    inner = tls.new_server_context()
    inner.set_alpn_protocols(["inner"])
    client = tls.new_client_context()
    client.set_alpn_protocols(["inner"])
    named: dict[str, Any] = {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with connected_pair(sluiceway, server={"ssl": tls.server_context}, client=named) as (near, far):
        upgrade = asyncio.create_task(far[1].start_tls(inner))
        await near[1].start_tls(client, server_hostname="localhost")
        await upgrade
        for (_, writer), context in ((near, client), (far, inner)):
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "inner"
            assert writer.get_extra_info("sslcontext") is context
            assert writer.get_extra_info("peername")[0] == "127.0.0.1"
            assert writer.get_extra_info("socket") is not None


async def test_outer_close_notify_without_an_inner_one_is_a_truncation(raw_peers: RawPeers, tls: Certificates) -> None:
    """T3: the close_notify of a proxy does not end the stream of the server."""

    def serve(peer: RawPeer) -> None:
        outer = ManualTLS(peer, tls.server_context, server_side=True)
        outer.do_handshake()
        inner = ManualTLS(outer, tls.server_context, server_side=True)
        inner.do_handshake()
        inner.send(b"part")
        peer.send(outer.close_notify())
        peer.half_close()
        with contextlib.suppress(OSError):
            peer.receive_rest()

    script = raw_peers.serve(serve)
    reader, writer = await sluiceway.open_connection(
        *script.address, ssl=tls.client_context, server_hostname="localhost"
    )
    await writer.start_tls(tls.client_context, server_hostname="localhost")
    assert await reader.read() == b"part"
    assert reader.eof_reason == "truncated"
    await close(writer)
    await script.finished()


async def test_failed_inner_handshake_raises_and_closes(tls: Certificates) -> None:
    named: dict[str, Any] = {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with connected_pair(sluiceway, server={"ssl": tls.server_context}, client=named) as (near, far):
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        port = near[1].get_extra_info("peername")[1]
        with pytest.raises(ssl.SSLCertVerificationError, match=str(port)):
            await near[1].start_tls(tls.client_context, server_hostname="other.example")
        with pytest.raises(OSError):
            await upgrade
        assert near[1].is_closing()


async def test_end_of_tls_over_the_loops_own_tls_logs_no_warning(
    raw_peers: RawPeers, tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop's TLS transport logs one if eof_received() of the protocol above it returns True.

    On asyncio's loops, a second close() of that transport makes its other methods raise.
    """

    def serve(peer: RawPeer) -> None:
        outer = ManualTLS(peer, tls.server_context, server_side=True)
        outer.do_handshake()
        inner = ManualTLS(outer, tls.server_context, server_side=True)
        inner.do_handshake()
        # In one piece, so that both ends arrive in one call of the inner transport.
        peer.send(outer.encrypt(inner.encrypt(b"last\n") + inner.close_notify()) + outer.close_notify())

    script = raw_peers.serve(serve)
    loop = asyncio.get_running_loop()
    reader = sluiceway.StreamReader(loop=loop)
    protocol = sluiceway.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(
        lambda: protocol, *script.address, ssl=tls.client_context, server_hostname="localhost"
    )
    writer = sluiceway.StreamWriter(transport, protocol, reader, loop)
    await writer.start_tls(tls.client_context, server_hostname="localhost")
    assert await reader.read() == b"last\n"
    await close(writer)
    await script.finished()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
