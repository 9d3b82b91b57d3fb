"""At the limit of open files, open connections keep working, new ones raise EMFILE, and no descriptor is leaked."""

import errno
import os
import pathlib
import socket
import subprocess
import sys

import pytest

import sluiceway
from engine.peer_connections import abort_connections, open_connections
from support import file_descriptors
from support.certificates import Certificates
from support.file_descriptors import descriptors_exhausted
from support.flooding_peer import FloodingPeer
from support.raw_peer import RawPeers
from support.scheduling import run_iterations
from support.timeouts import PROCESS_TIMEOUT


async def test_connect_at_the_descriptor_limit_raises_emfile_and_leaks_nothing(raw_peers: RawPeers):
    [other] = await open_connections(raw_peers)
    listener = raw_peers.listen()
    before = file_descriptors.open_descriptors()
    with descriptors_exhausted():
        for _ in range(3):
            with pytest.raises(OSError) as caught:
                await sluiceway.open_connection(*listener.address)
            assert caught.value.errno == errno.EMFILE
        other.peer.send(b"goes on")
        assert await other.reader.readexactly(7) == b"goes on"
    assert file_descriptors.open_descriptors() == before
    reader, writer = await sluiceway.open_connection(*listener.address)
    peer = listener.accept()
    peer.send(b"again")
    assert await reader.readexactly(5) == b"again"
    writer.close()
    await writer.wait_closed()
    await other.close()


async def test_connect_closes_its_socket_if_the_engine_gets_no_descriptor(raw_peers: RawPeers):
    """The socket takes the last descriptor, before the engine opens its own."""
    listener = raw_peers.listen()
    before = file_descriptors.open_descriptors()
    with descriptors_exhausted(free=1), pytest.raises(OSError) as caught:
        await sluiceway.open_connection(*listener.address)
    assert caught.value.errno == errno.EMFILE
    assert file_descriptors.open_descriptors() == before


@pytest.mark.parametrize("used_before", [False, True], ids=["first connection of the loop", "later connection"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_given_socket_stays_open_if_the_engine_gets_no_descriptor(
    used_before: bool, secure: bool, raw_peers: RawPeers, tls: Certificates
):
    if used_before:
        [first] = await open_connections(raw_peers)
        await first.close()
        # The poller keeps its epoll descriptor for some iterations.
        await run_iterations(10)
    "localhost".encode("idna")  # opens the module of the codec
    given, other = socket.socketpair()
    options = {"ssl": tls.client_context, "server_hostname": "localhost"} if secure else {}
    with given, other:
        with descriptors_exhausted(), pytest.raises(OSError) as caught:
            await sluiceway.open_connection(sock=given, **options)
        assert caught.value.errno == errno.EMFILE
        other.send(b"unread")
        assert given.recv(6) == b"unread"


async def test_failed_start_server_leaves_later_connections_open(raw_peers: RawPeers):
    """A server that could not acquire the poller does not release it."""
    [first] = await open_connections(raw_peers)
    await first.close()
    # The poller keeps its epoll descriptor for some iterations.
    await run_iterations(10)
    with socket.create_server(("127.0.0.1", 0)) as listening, descriptors_exhausted():
        with pytest.raises(OSError) as caught:
            await sluiceway.start_server(lambda reader, writer: None, sock=listening)
        assert caught.value.errno == errno.EMFILE
    kept, closed = await open_connections(raw_peers, 2)
    await closed.close()
    await run_iterations(10)
    kept.peer.send(b"goes on")
    assert await kept.reader.readexactly(7) == b"goes on"
    await kept.close()


async def test_sole_connection_resumes_reading_at_the_descriptor_limit(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers, limit=1000)
    flood = FloodingPeer(connection.peer)
    await flood.send_until_blocked(connection.reader)
    # Nothing is watched for longer than the poller keeps its epoll descriptor.
    await run_iterations(10)
    with descriptors_exhausted():
        data = await flood.read_all_with(connection.reader.read)
    assert data == flood.expected()
    await abort_connections([connection])


async def test_sole_paused_connection_sends_and_closes_at_the_descriptor_limit(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.transport.pause_reading()
    await run_iterations(10)
    with descriptors_exhausted():
        connection.writer.write(b"last data")
        connection.writer.close()
        await connection.writer.wait_closed()
    assert connection.peer.receive_rest() == b"last data"


PROGRAM = pathlib.Path(__file__).with_name("descriptor_limit_program.py")


@pytest.mark.loops("asyncio", "uvloop")
def test_server_and_clients_at_the_descriptor_limit_lose_no_line(loop_kind: str):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", PROGRAM, loop_kind],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )
    assert (done.stderr, done.stdout, done.returncode) == ("", "no descriptor left, no line lost\n", 0)
