"""sluiceway's end of a TLS connection, whichever way it came to be, facing a scripted peer.

``async with facing(side, peer, tls, body) as (reader, writer, script)``: ``side`` is one of SIDES, ``body`` is the
script of the other side, called with the wire when its handshake is done. ``connect``, ``listen`` or ``upgrade``
options go to whatever makes it TLS.

``async with facing_by_hand(side, peer, tls) as (reader, writer, wire, end)``: the other side is in the hands of the
test, which decides what of the ciphertext is on the wire and when: ``wire.send(end.sealed(b"…")[:7])``.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import sluiceway
from support.certificates import Certificates
from support.connections import address_of
from support.peer import Peers, Script, Wire
from support.tls_by_hand import TLSEnd

# The last two speak plainly first, and are TLS by start_tls.
SIDES = ("client", "server", "upgraded client", "upgraded server")

Facing = tuple[Any, Any, Script]
FacingByHand = tuple[Any, Any, Wire, TLSEnd]

Shake = Callable[[Wire], Any]


@contextlib.asynccontextmanager
async def facing(
    side: str,
    peer: Peers,
    tls: Certificates,
    body: Callable[[Wire], Any],
    *,
    context: ssl.SSLContext | None = None,
    limit: int = 1 << 16,
    shake: Shake | None = None,
    **options: Any,
) -> AsyncIterator[Facing]:
    """Yield (reader, writer, script), and close the writer at the end; the script must end by itself.

    ``context`` is sluiceway's, where it is not the shared one; ``shake`` is the other side's handshake, where that is
    not simply done; ``options`` go to the call that makes it TLS.
    """
    kind, upgraded = side.rsplit(maxsplit=1)[-1], side.startswith("upgraded")
    opened = {"limit": limit}
    if kind == "client":
        chosen = context or tls.client_context
        shake = shake or (lambda wire: wire.start_tls(tls.server_context, server_side=True))
        script = peer.serve(lambda wire: _shaken(wire, shake, body, upgraded, server_side=True))
        named = {"ssl": chosen, "server_hostname": "localhost", **options}
        reader, writer = await sluiceway.open_connection(*script.address, **opened, **({} if upgraded else named))
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

    shake = shake or (lambda wire: wire.start_tls(tls.client_context, server_hostname="localhost"))
    listening = {} if upgraded else {"ssl": chosen, **options}
    async with await sluiceway.start_server(handle, "127.0.0.1", 0, **opened, **listening) as server:
        script = peer.visit(address_of(server), lambda wire: _shaken(wire, shake, body, upgraded, server_side=False))
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


@contextlib.asynccontextmanager
async def facing_by_hand(
    side: str,
    peer: Peers,
    tls: Certificates,
    *,
    peer_context: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncIterator[FacingByHand]:
    """Yield (reader, writer, wire, end), shaken hands, ``wire`` and ``end`` being the other side's.

    ``peer_context`` is the other side's, where it is not the shared one; ``options`` are facing's.
    """
    ends: list[tuple[Wire, TLSEnd]] = []

    def shake(wire: Wire) -> None:
        if side.endswith("client"):
            end = TLSEnd(wire, peer_context or tls.server_context, server_side=True)
        else:
            end = TLSEnd(wire, peer_context or tls.client_context, server_hostname="localhost")
        end.shake_hands()
        ends.append((wire, end))

    def hand_over(wire: Wire) -> None:
        wire.tell("shaken")
        wire.wait("over")

    async with facing(side, peer, tls, hand_over, shake=shake, **options) as (reader, writer, script):
        try:
            await script.reached("shaken")
            yield reader, writer, *ends[0]
        finally:
            script.go("over")


def _shaken(wire: Wire, shake: Shake, body: Callable[[Wire], Any], upgraded: bool, server_side: bool) -> Any:
    if upgraded and server_side:
        assert wire.receive(9) == b"STARTTLS\n"
        wire.send(b"go\n")
    elif upgraded:
        wire.send(b"STARTTLS\n")
        assert wire.receive(3) == b"go\n"
    shake(wire)
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
