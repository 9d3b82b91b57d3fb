"""A server counts and logs the handshakes of start_tls() that fail on the connections that it accepted."""

import asyncio
import contextlib
import errno
import ssl
from typing import Any
from unittest import mock

import pytest

import sluiceway
from sluiceway._log import logger
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


@pytest.mark.parametrize("starts_tls", [False, True])
async def test_failed_handshake_is_counted_once_if_the_log_raises(
    starts_tls: bool,
    raw_peers: RawPeers,
    tls: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    loop_errors: list[dict[str, Any]],
) -> None:
    """A FileHandler raises if no descriptor is left for its file."""
    failure = OSError(errno.EMFILE, "log")
    monkeypatch.setattr(logger, "warning", mock.Mock(side_effect=failure))

    async def handler(reader: Any, writer: Any) -> None:
        with pytest.raises(ssl.SSLError):
            await writer.start_tls(tls.server_context)
        writer.close()

    options: Any = {} if starts_tls else {"ssl": tls.server_context}
    server = await sluiceway.start_server(handler, "127.0.0.1", 0, **options)
    async with server:
        peer = raw_peers.connect(server_address(server))
        peer.send(b"this is no ClientHello\n" * 10)
        with contextlib.suppress(ConnectionResetError):
            await peer.in_thread(peer.receive_rest)
    assert server.failed_handshakes == 1
    # In debug mode, a failed handshake is reported too.
    assert [context["exception"] for context in loop_errors if "logging" in context["message"]] == [failure]
    loop_errors.clear()
