"""penstock's end of a TLS connection, whichever way it came to be, facing a scripted peer.

``async with facing(side, peer, tls, body) as (reader, writer, script)``: ``side`` is one of SIDES, ``body`` is the
script of the other side, called with the wire when its handshake is done. ``connect``, ``listen`` or ``upgrade``
options go to whatever makes it TLS.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import penstock
from support.certificates import Certificates
from support.connections import address_of
from support.peer import Peers, Script, Wire

# The last two speak plainly first, and are TLS by start_tls.
SIDES = ("client", "server", "upgraded client", "upgraded server")

Facing = tuple[Any, Any, Script]


@contextlib.asynccontextmanager
async def facing(
    side: str,
    peer: Peers,
    tls: Certificates,
    body: Callable[[Wire], Any],
    *,
    context: ssl.SSLContext | None = None,
    limit: int = 1 << 16,
    **options: Any,
) -> AsyncIterator[Facing]:
    """Yield (reader, writer, script), and close the writer at the end; the script must end by itself.

    ``context`` is penstock's, where it is not the shared one; ``options`` go to the call that makes it TLS.
    """
    kind, upgraded = side.rsplit(maxsplit=1)[-1], side.startswith("upgraded")
    opened = {"limit": limit}
    if kind == "client":
        chosen = context or tls.client_context
        script = peer.serve(lambda wire: _shaken(wire, tls, body, upgraded, server_side=True))
        named = {"ssl": chosen, "server_hostname": "localhost", **options}
        reader, writer = await penstock.open_connection(*script.address, **opened, **({} if upgraded else named))
        async with _ended(writer, script):
            if upgraded:
                writer.write(b"STARTTLS\n")
                assert await reader.readline() == b"go\n"
                await writer.start_tls(chosen, server_hostname="localhost", **options)
            yield reader, writer, script
        return
    chosen = context or tls.server_context
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def handle(*ends: Any) -> None:
        accepted.set_result(ends)
        await over.wait()

    listening = {} if upgraded else {"ssl": chosen, **options}
    async with await penstock.start_server(handle, "127.0.0.1", 0, **opened, **listening) as server:
        script = peer.visit(address_of(server), lambda wire: _shaken(wire, tls, body, upgraded, server_side=False))
        reader, writer = await accepted
        try:
            async with _ended(writer, script):
                if upgraded:
                    assert await reader.readline() == b"STARTTLS\n"
                    writer.write(b"go\n")
                    await writer.start_tls(chosen, **options)
                yield reader, writer, script
        finally:
            over.set()


def _shaken(wire: Wire, tls: Certificates, body: Callable[[Wire], Any], upgraded: bool, server_side: bool) -> Any:
    if server_side:
        if upgraded:
            assert wire.receive(9) == b"STARTTLS\n"
            wire.send(b"go\n")
        wire.start_tls(tls.server_context, server_side=True)
    else:
        if upgraded:
            wire.send(b"STARTTLS\n")
            assert wire.receive(3) == b"go\n"
        wire.start_tls(tls.client_context, server_hostname="localhost")
    return body(wire)


@contextlib.asynccontextmanager
async def _ended(writer: Any, script: Script) -> AsyncIterator[None]:
    try:
        yield
    finally:
        script.release()
        writer.transport.abort()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
