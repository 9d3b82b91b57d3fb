"""TLS connections between sluiceway, in each of TLS_ROLES, and a raw peer.

``async with tls_connection(role, raw_peers, tls, body) as (reader, writer, script)``: ``body`` is the script of the
peer, called after the handshake.

``async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls)``: the test decides which
ciphertext the peer sends, and when: ``peer.send(manual_tls.encrypt(b"…")[:7])``.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import sluiceway
from support.certificates import Certificates
from support.connections import close_discarding, server_address
from support.manual_tls import ManualTLS
from support.raw_peer import PeerScript, RawPeer, RawPeers

# How sluiceway's end became TLS: at connect, at accept, or by start_tls on a plain connection.
TLS_ROLES = ("client", "server", "start_tls client", "start_tls server")

# Each side and each way once, for what does not depend on how the connection became TLS.
TLS_SIDES = ("client", "start_tls server")

TLSConnection = tuple[Any, Any, PeerScript]
ManualTLSConnection = tuple[Any, Any, RawPeer, ManualTLS]

Handshake = Callable[[RawPeer], Any]


@contextlib.asynccontextmanager
async def tls_connection(
    role: str,
    raw_peers: RawPeers,
    tls: Certificates,
    body: Callable[[RawPeer], Any],
    *,
    context: ssl.SSLContext | None = None,
    limit: int = 1 << 16,
    handshake: Handshake | None = None,
    **options: Any,
) -> AsyncIterator[TLSConnection]:
    """Yield (reader, writer, script), and close the writer at the end; the script must end by itself.

    ``context`` is sluiceway's, if not the shared one; ``handshake`` replaces the peer's handshake;
    ``options`` go to the call that makes the connection TLS.
    """
    kind, by_start_tls = role.rsplit(maxsplit=1)[-1], role.startswith("start_tls")
    opened = {"limit": limit}
    if kind == "client":
        chosen = context or tls.client_context
        handshake = handshake or (lambda peer: peer.start_tls(tls.server_context, server_side=True))
        script = raw_peers.serve(lambda peer: _run_peer(peer, handshake, body, by_start_tls, server_side=True))
        named = {"ssl": chosen, "server_hostname": "localhost", **options}
        reader, writer = await sluiceway.open_connection(*script.address, **opened, **({} if by_start_tls else named))
        async with _closing(writer, script):
            if by_start_tls:
                writer.write(b"STARTTLS\n")
                assert await reader.readline() == b"go\n"
                await writer.start_tls(chosen, server_hostname="localhost", **options)
            yield reader, writer, script
        return
    chosen = context or tls.server_context
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    end = asyncio.Event()

    async def handle(*streams: Any) -> None:
        accepted.set_result(streams)
        await end.wait()

    handshake = handshake or (lambda peer: peer.start_tls(tls.client_context, server_hostname="localhost"))
    listening = {} if by_start_tls else {"ssl": chosen, **options}
    async with await sluiceway.start_server(handle, "127.0.0.1", 0, **opened, **listening) as server:
        script = raw_peers.run_client(
            server_address(server), lambda peer: _run_peer(peer, handshake, body, by_start_tls, server_side=False)
        )
        reader, writer = await accepted
        try:
            async with _closing(writer, script):
                if by_start_tls:
                    assert await reader.readline() == b"STARTTLS\n"
                    writer.write(b"go\n")
                    await writer.start_tls(chosen, **options)
                yield reader, writer, script
        finally:
            end.set()


@contextlib.asynccontextmanager
async def manual_tls_connection(
    role: str,
    raw_peers: RawPeers,
    tls: Certificates,
    *,
    peer_context: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncIterator[ManualTLSConnection]:
    """Yield (reader, writer, peer, manual_tls) after the handshake; the last two are the peer's.

    ``peer_context`` is the peer's, if not the shared one; ``options`` are those of tls_connection().
    """
    peers: list[tuple[RawPeer, ManualTLS]] = []

    def handshake(peer: RawPeer) -> None:
        if role.endswith("client"):
            manual_tls = ManualTLS(peer, peer_context or tls.server_context, server_side=True)
        else:
            manual_tls = ManualTLS(peer, peer_context or tls.client_context, server_hostname="localhost")
        manual_tls.do_handshake()
        peers.append((peer, manual_tls))

    def keep_open(peer: RawPeer) -> None:
        peer.signal("handshake done")
        peer.wait_for("end")

    async with tls_connection(role, raw_peers, tls, keep_open, handshake=handshake, **options) as (
        reader,
        writer,
        script,
    ):
        try:
            await script.wait_for("handshake done")
            yield reader, writer, *peers[0]
        finally:
            script.signal("end")


def _run_peer(
    peer: RawPeer, handshake: Handshake, body: Callable[[RawPeer], Any], by_start_tls: bool, server_side: bool
) -> Any:
    if by_start_tls and server_side:
        assert peer.receive(9) == b"STARTTLS\n"
        peer.send(b"go\n")
    elif by_start_tls:
        peer.send(b"STARTTLS\n")
        assert peer.receive(3) == b"go\n"
    handshake(peer)
    return body(peer)


@contextlib.asynccontextmanager
async def _closing(writer: Any, script: PeerScript) -> AsyncIterator[None]:
    try:
        yield
    finally:
        script.release()
        writer.transport.abort()
        await close_discarding(writer)
