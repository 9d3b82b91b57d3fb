"""A server counts and logs the handshakes of start_tls() that fail on the connections that it accepted."""

import asyncio
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeers


@pytest.mark.parametrize("ended_by", ["peer", "server", "handler"])
async def test_failed_start_tls_of_accepted_connection_is_counted(
    ended_by: str, raw_peers: RawPeers, tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    failed = asyncio.get_running_loop().create_future()

    async def handler(reader: Any, writer: Any) -> None:
        assert await reader.readexactly(9) == b"STARTTLS\n"
        if ended_by == "server":
            asyncio.get_running_loop().call_soon(server.abort_clients)
        elif ended_by == "handler":
            asyncio.get_running_loop().call_soon(writer.close)
        try:
            await writer.start_tls(tls.server_context)
        except OSError as error:
            failed.set_result(str(error))
        writer.close()

    server = await sluiceway.start_server(handler, "127.0.0.1", 0)
    async with server:
        peer = raw_peers.connect(server_address(server))
        peer.send(b"STARTTLS\n")
        if ended_by == "peer":
            peer.send(b"this is no ClientHello\n" * 10)
        await failed
    logged = [record.getMessage() for record in caplog.records if record.name == "sluiceway"]
    if ended_by != "peer":
        assert (server.failed_handshakes, logged) == (0, [])
        return
    assert server.failed_handshakes == 1
    host, port = peer.sock.getsockname()
    assert len(logged) == 1
    assert logged[0].startswith(f"TLS handshake with {host}:{port} on ")
    assert "connection" not in logged[0], "the reason is the same for each peer"
