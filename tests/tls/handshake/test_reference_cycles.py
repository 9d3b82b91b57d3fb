"""A failed handshake leaves no reference cycle: its objects are freed without the garbage collector."""

import asyncio
import contextlib
import gc
import ssl
import types
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeer, RawPeers

Attempt = Callable[[], Awaitable[None]]


async def assert_no_garbage(attempt: Attempt) -> None:
    """Run ``attempt`` with the collector disabled; then no object of sluiceway, frame or error may be garbage.

    asyncio's own transports are reference cycles.
    """
    await attempt()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            await attempt()
        for _ in range(20):
            await asyncio.sleep(0)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
    finally:
        gc.set_debug(0)
        gc.enable()
    found = {type(thing).__qualname__ for thing in gc.garbage if _is_ours(thing)}
    gc.garbage.clear()
    assert found == set()


def _is_ours(thing: object) -> bool:
    kinds = (BaseException, types.FrameType, types.TracebackType, ssl.SSLObject)
    return isinstance(thing, kinds) or type(thing).__module__.startswith("sluiceway")


async def connect_without_trust(address: Any, context: ssl.SSLContext) -> None:
    with contextlib.suppress(ssl.SSLError):
        await sluiceway.open_connection(*address, ssl=context, server_hostname="localhost")


async def test_rejected_server_certificate_leaves_no_cycle(
    tls: Certificates, loop_errors: list[dict[str, Any]]
) -> None:
    untrusting = ssl.create_default_context()

    async def handle(_reader: Any, writer: Any) -> None:
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        await assert_no_garbage(lambda: connect_without_trust(server_address(server), untrusting))
    # In debug mode the server reports each.
    loop_errors.clear()


@pytest.mark.parametrize("end", ["reset", "half_close", "plaintext", "timeout"])
async def test_handshake_ended_by_the_peer_or_a_timeout_leaves_no_cycle(
    end: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    listener = raw_peers.listen()
    timeout = 0.01 if end == "timeout" else 60

    async def attempt() -> None:
        opening = asyncio.create_task(
            sluiceway.open_connection(
                *listener.address,
                ssl=tls.client_context,
                server_hostname="localhost",
                ssl_handshake_timeout=timeout,
            )
        )
        peer: RawPeer = await asyncio.to_thread(listener.accept)
        await peer.in_thread(peer.receive, 5)
        if end == "plaintext":
            peer.send(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        elif end != "timeout":
            getattr(peer, end)()
        with contextlib.suppress(OSError):
            await opening
        peer.close()
        # The task refers to the error.
        del opening

    await assert_no_garbage(attempt)


async def test_failed_start_tls_leaves_no_cycle(tls: Certificates) -> None:
    untrusting = ssl.create_default_context()

    async def handle(reader: Any, writer: Any) -> None:
        await reader.readline()
        with contextlib.suppress(OSError):
            await writer.start_tls(tls.server_context)
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:

        async def attempt() -> None:
            _, writer = await sluiceway.open_connection(*server_address(server))
            writer.write(b"STARTTLS\n")
            with contextlib.suppress(OSError):
                await writer.start_tls(untrusting, server_hostname="localhost")
            writer.close()

        await assert_no_garbage(attempt)
