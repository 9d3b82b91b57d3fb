"""Clients that connect and go no further: they cost bounded memory, no work, and are gone after their time."""

import asyncio
import contextlib
import gc
import pathlib
import resource
import ssl
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.external_programs import skip_missing
from support.file_descriptors import raised_descriptor_limit
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations

COUNT = 1000

# What one may cost: the issue asks for 20 KiB of a connection that is open, OpenSSL needs more while it shakes hands.
PYTHONS_BYTES = 24 << 10
RESIDENT_BYTES = 96 << 10

STATM = pathlib.Path("/proc/self/statm")


def resident() -> int:
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


async def never(*ends: Any) -> None:
    raise AssertionError("a handler without a handshake")


@pytest.fixture(autouse=True)
def room_for_both_ends() -> Iterator[None]:
    enough = 2 * COUNT + 300
    with raised_descriptor_limit(enough):
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < enough:
            skip_missing(f"{enough} descriptors are not allowed here (ulimit -n)")
        yield


@pytest.fixture(scope="module")
def hello(tls: Certificates) -> bytes:
    """One ClientHello for all: no server can tell whether that was drawn anew."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        tls.client_context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def stall(raw_peers: RawPeers, hello: bytes, address: tuple[str, int], how: str) -> RawPeer:
    peer = raw_peers.connect(address)
    peer.send(hello[: {"nothing": 0, "half a hello": len(hello) // 2, "a hello": len(hello)}[how]])
    return peer


every_stall = pytest.mark.parametrize("how", ["nothing", "half a hello", "a hello"])


async def served(address: tuple[str, int], tls: Certificates) -> bool:
    """Say whether a client that behaves gets through the handshake."""
    _, writer = await sluiceway.open_connection(*address, ssl=tls.client_context, server_hostname="localhost")
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@every_stall
@pytest.mark.loops("asyncio", "uvloop", "eager")  # debug mode keeps the place where each callback was made
@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc")
async def test_what_they_cost(how: str, hello: bytes, raw_peers: RawPeers, tls: Certificates) -> None:
    async def welcome(_: Any, writer: Any) -> None:
        writer.transport.abort()

    async with await sluiceway.start_server(
        welcome, "127.0.0.1", 0, ssl=tls.server_context, ssl_handshake_timeout=60
    ) as server:
        address = server_address(server)
        # What is made once for all, by the first.
        for _ in range(5):
            assert await served(address, tls)
            stall(raw_peers, hello, address, how).reset()
        gc.collect()
        tracemalloc.start()
        try:
            peers = []
            before = resident()
            for _ in range(COUNT):
                peers.append(stall(raw_peers, hello, address, how))
                await run_iterations(2)
            if how == "a hello":
                # The server has begun with each.
                assert await asyncio.to_thread(lambda: [len(peer.receive(1)) for peer in peers]) == [1] * COUNT
            assert await served(address, tls)  # accepted behind all of them
            await run_iterations(20)
            gc.collect()
            traced, grown = tracemalloc.get_traced_memory()[0], resident() - before
        finally:
            tracemalloc.stop()
        assert traced < COUNT * PYTHONS_BYTES
        assert grown < COUNT * RESIDENT_BYTES

        # A thread that waits gives up the processor of its own accord each time it has done something.
        woken = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        await asyncio.sleep(0.3)  # the time in which nothing is to happen
        assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - woken < COUNT // 10
        for peer in peers:
            peer.reset()
        assert await served(address, tls)


@every_stall
async def test_they_end_by_the_timeout(
    how: str,
    hello: bytes,
    raw_peers: RawPeers,
    tls: Certificates,
    loop_kind: str,
    loop_errors: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with await sluiceway.start_server(
        never, "127.0.0.1", 0, ssl=tls.server_context, ssl_handshake_timeout=0.2
    ) as server:
        peers = []
        for _ in range(COUNT):
            peers.append(stall(raw_peers, hello, server_address(server), how))
            await run_iterations(2)

        def all_end() -> None:
            for peer in peers:
                with contextlib.suppress(ConnectionError):
                    peer.receive_rest()

        await asyncio.to_thread(all_end)
        assert server.is_serving()
        assert server.failed_handshakes == COUNT
    (line,) = [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"]
    assert "SSL handshake is taking longer than 0.2 seconds" in line
    if loop_kind == "debug":
        loop_errors.clear()


@every_stall
async def test_closing_the_server_does_not_wait_for_them_longer_than_that(
    how: str, hello: bytes, raw_peers: RawPeers, tls: Certificates, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    server = await sluiceway.start_server(never, "127.0.0.1", 0, ssl=tls.server_context, ssl_handshake_timeout=0.2)
    peers = [stall(raw_peers, hello, server_address(server), how) for _ in range(10)]
    await run_iterations(20)
    server.close()
    await asyncio.wait_for(server.wait_closed(), 10)
    assert peers
    if loop_kind == "debug":
        loop_errors.clear()
