"""R2, S10: a peer whose handshake, data and farewell arrive in one piece is read to the end, as by asyncio."""

import asyncio
import ssl
import types
from typing import Any

import pytest

from support.certificates import Certificates
from support.connections import address_of
from support.peer import Peers, Wire


def burst(wire: Wire, context: ssl.SSLContext, data: bytes) -> bytes:
    """Shake hands as a TLS 1.3 client; the last step of it goes out together with ``data`` and close_notify."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            session.do_handshake()
            break
        except ssl.SSLWantReadError:
            if outgoing.pending:
                wire.send(outgoing.read())
            incoming.write(wire.sock.recv(1 << 16))
    session.write(data)
    with pytest.raises(ssl.SSLWantReadError):
        session.unwrap()
    wire.send(outgoing.read())
    return wire.receive_rest()


@pytest.mark.parametrize("data", [b"hello", b""], ids=["data", "no data"])
async def test_start_tls(streams: types.ModuleType, data: bytes, peer: Peers, tls: Certificates) -> None:
    read: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handler(reader: Any, writer: Any) -> None:
        try:
            writer.write(await reader.readexactly(8))
            await writer.start_tls(tls.server_context)
            read.set_result(await reader.read())
        except OSError as error:
            read.set_exception(error)
        finally:
            writer.close()

    def visit(wire: Wire) -> None:
        wire.send(b"starttls")
        wire.receive(8)
        burst(wire, tls.client_context, data)

    server = await streams.start_server(handler, "127.0.0.1", 0)
    script = peer.visit(address_of(server), visit)
    assert await read == data
    await script.finished()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("data", [b"hello", b""], ids=["data", "no data"])
async def test_a_server_that_speaks_tls(streams: types.ModuleType, data: bytes, peer: Peers, tls: Certificates) -> None:
    read: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handler(reader: Any, writer: Any) -> None:
        try:
            read.set_result(await reader.read())
        except OSError as error:
            read.set_exception(error)
        finally:
            writer.close()

    server = await streams.start_server(handler, "127.0.0.1", 0, ssl=tls.server_context)
    script = peer.visit(address_of(server), lambda wire: burst(wire, tls.client_context, data))
    assert await read == data
    await script.finished()
    server.close()
    await server.wait_closed()
