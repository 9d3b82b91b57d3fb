"""T1: connect() resumes a TLS session that an earlier connection to the same server has."""

import socket
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.interactive_programs import s_server
from support.raw_peer import RawPeers


async def exchange_line(address: str, **options: Any) -> sluiceway.TLSDetails:
    """Return what a connection has negotiated that has exchanged a line with ``openssl s_server -rev``."""
    async with sluiceway.connect(address, **options) as stream:
        await stream.send(b"abc\n")
        assert await stream.read_line() == b"cba\n"
        assert stream.tls is not None
        return stream.tls


@pytest.mark.parametrize("version", ["1_2", "1_3"])
async def test_session_of_earlier_connection_is_resumed(version: str, tls: Certificates) -> None:
    with s_server(tls, f"-tls{version}", "-rev") as (_, found):
        address = f"tls://localhost:{(await found)[1]}"
        context = tls.new_client_context()
        first = await exchange_line(address, tls=context)
        assert not first.session_reused
        second = await exchange_line(address, tls=context, session=first.session)
        assert second.session_reused
        assert not (await exchange_line(address, tls=context)).session_reused


async def test_session_of_other_context_or_without_tls_raises_value_error(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    script = raw_peers.serve(lambda peer: peer.start_tls(tls.server_context, server_side=True))
    sock = socket.create_connection(script.address)
    async with sluiceway.connect(sock, tls=tls.client_context, server_hostname="localhost") as stream:
        await script.finished()
        assert stream.tls is not None
        session = stream.tls.session
    with pytest.raises(ValueError, match="session belongs to another context than the one of tls"):
        sluiceway.connect("localhost:1", tls=tls.new_client_context(), session=session)
    with pytest.raises(ValueError, match="session is only meaningful with tls"):
        sluiceway.connect("localhost:1", session=session)
