"""Clients that never complete the handshake use bounded memory and no CPU, and are closed after the timeout."""

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
# Enough to fail in several rounds of the poller.
TIMED_OUT_COUNT = 300

# The bounds for each client; OpenSSL needs more memory during the handshake than afterwards.
PYTHON_BYTES = 24 << 10
RESIDENT_BYTES = 96 << 10

STATM = pathlib.Path("/proc/self/statm")


def resident() -> int:
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


async def fail_if_called(*ends: Any) -> None:
    raise AssertionError("the handler ran without a handshake")


@pytest.fixture(autouse=True)
def descriptors_for_both_sides() -> Iterator[None]:
    enough = 2 * COUNT + 300
    with raised_descriptor_limit(enough):
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < enough:
            skip_missing(f"{enough} descriptors are not allowed here (ulimit -n)")
        yield


@pytest.fixture(scope="module")
def hello(tls: Certificates) -> bytes:
    """Return one ClientHello for all clients, which a server accepts repeatedly."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        tls.client_context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def connect_and_stall(raw_peers: RawPeers, hello: bytes, address: tuple[str, int], how: str) -> RawPeer:
    peer = raw_peers.connect(address)
    peer.send(hello[: {"nothing": 0, "half a hello": len(hello) // 2, "a hello": len(hello)}[how]])
    return peer


each_stall = pytest.mark.parametrize("how", ["nothing", "half a hello", "a hello"])


async def can_connect(address: tuple[str, int], tls: Certificates) -> bool:
    """Return True after a complete handshake with the server."""
    _, writer = await sluiceway.open_connection(*address, ssl=tls.client_context, server_hostname="localhost")
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@each_stall
@pytest.mark.loops("asyncio", "uvloop")  # debug mode stores a stack for each callback
@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc")
async def test_stalled_clients_use_bounded_memory_and_no_cpu(
    how: str, hello: bytes, raw_peers: RawPeers, tls: Certificates
) -> None:
    async def welcome(_: Any, writer: Any) -> None:
        writer.transport.abort()

    async with await sluiceway.start_server(
        welcome, "127.0.0.1", 0, ssl=tls.server_context, ssl_handshake_timeout=60
    ) as server:
        address = server_address(server)
        # The first connections allocate memory that later ones share.
        for _ in range(5):
            assert await can_connect(address, tls)
            connect_and_stall(raw_peers, hello, address, how).reset()
        gc.collect()
        tracemalloc.start()
        try:
            peers = []
            before = resident()
            for _ in range(COUNT):
                peers.append(connect_and_stall(raw_peers, hello, address, how))
                await run_iterations(2)
            if how == "a hello":
                # The server has answered each ClientHello.
                assert await asyncio.to_thread(lambda: [len(peer.receive(1)) for peer in peers]) == [1] * COUNT
            assert await can_connect(address, tls)  # accepted after all of them
            await run_iterations(20)
            gc.collect()
            traced, grown = tracemalloc.get_traced_memory()[0], resident() - before
        finally:
            tracemalloc.stop()
        assert traced < COUNT * PYTHON_BYTES
        assert grown < COUNT * RESIDENT_BYTES

        # Each wake-up of the waiting thread ends with a voluntary context switch.
        switches = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        await asyncio.sleep(0.3)  # nothing must run in this time
        assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - switches < COUNT // 10
        for peer in peers:
            peer.reset()
        assert await can_connect(address, tls)


@each_stall
async def test_stalled_clients_are_closed_after_ssl_handshake_timeout_and_logged_once(
    how: str,
    hello: bytes,
    raw_peers: RawPeers,
    tls: Certificates,
    loop_kind: str,
    loop_errors: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with await sluiceway.start_server(
        fail_if_called, "127.0.0.1", 0, ssl=tls.server_context, ssl_handshake_timeout=0.2
    ) as server:
        peers = []
        for _ in range(TIMED_OUT_COUNT):
            peers.append(connect_and_stall(raw_peers, hello, server_address(server), how))
            await run_iterations(2)

        def all_end() -> None:
            for peer in peers:
                with contextlib.suppress(ConnectionError):
                    peer.receive_rest()

        await asyncio.to_thread(all_end)
        assert server.is_serving()
        assert server.failed_handshakes == TIMED_OUT_COUNT
    (line,) = [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"]
    assert "SSL handshake is taking longer than 0.2 seconds" in line
    if loop_kind == "debug":
        loop_errors.clear()


@each_stall
async def test_server_close_waits_for_stalled_clients_at_most_ssl_handshake_timeout(
    how: str, hello: bytes, raw_peers: RawPeers, tls: Certificates, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    server = await sluiceway.start_server(
        fail_if_called, "127.0.0.1", 0, ssl=tls.server_context, ssl_handshake_timeout=0.2
    )
    peers = [connect_and_stall(raw_peers, hello, server_address(server), how) for _ in range(10)]
    await run_iterations(20)
    server.close()
    await server.wait_closed()
    assert peers
    if loop_kind == "debug":
        loop_errors.clear()
