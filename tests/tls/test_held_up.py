"""What OpenSSL cannot send yet, in a renegotiation, is a backlog like any other: it holds up who writes, and ends."""

import asyncio
import contextlib
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.hesitant import Hesitant, HesitantContext
from support.peer import Peers, Wire
from support.turns import started, turns

PIECE = bytes(30_000)


async def hesitating(peer: Peers, tls: Certificates, body: Any) -> tuple[Any, Any, Any, Hesitant]:
    def serve(wire: Wire) -> Any:
        wire.start_tls(tls.server_context, server_side=True)
        return body(wire)

    context = HesitantContext.trusting(tls.ca_file)
    script = peer.serve(serve)
    reader, writer = await sluiceway.open_connection(
        *script.address, ssl=context, server_hostname="localhost", ssl_shutdown_timeout=60, close_timeout=None
    )
    [sslobject] = context.made
    return reader, writer, script, sslobject


async def test_it_holds_up_the_writer(peer: Peers, tls: Certificates) -> None:
    def answer(wire: Wire) -> int:
        wire.wait("go on")
        wire.send(b"go on")
        return len(wire.receive(10 * len(PIECE)))

    reader, writer, script, sslobject = await hesitating(peer, tls, answer)
    sslobject.hesitates = True
    written = 0

    async def write() -> None:
        nonlocal written
        while written < 10:
            writer.write(PIECE)
            written += 1
            await writer.drain()

    writing = await started(write())
    await turns(20)
    assert written == 3
    sslobject.hesitates = False
    script.go("go on")
    assert await reader.readexactly(5) == b"go on"
    await writing
    assert await script.finished() == 10 * len(PIECE)
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize("how", ["farewell", "cut"])
@pytest.mark.parametrize("written", [b"", PIECE])
async def test_a_peer_that_ends_meanwhile_ends_the_connection(
    how: str, written: bytes, peer: Peers, tls: Certificates
) -> None:
    def leave(wire: Wire) -> None:
        wire.wait("leave")
        if how == "farewell":
            # Our answer to it never comes.
            wire.sock.setblocking(False)
            with contextlib.suppress(ssl.SSLWantReadError):
                wire.sock.unwrap()  # type: ignore[attr-defined]
            wire.sock.settimeout(10)
        wire.half_close()
        with contextlib.suppress(OSError):
            wire.receive_rest()

    reader, writer, script, sslobject = await hesitating(peer, tls, leave)
    sslobject.hesitates = True
    writer.write(written)
    script.go("leave")
    assert await reader.read() == b""
    assert reader.eof_reason == ("clean" if how == "farewell" else "truncated")
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    await script.finished()
    await asyncio.sleep(0)
