"""The engine at the limit of open files: what is open goes on, what cannot be opened says so, nothing is leaked."""

import errno
import os
import pathlib
import subprocess
import sys

import pytest

import sluiceway
from engine.peer_connections import abort_connections, open_connections
from support import file_descriptors
from support.file_descriptors import descriptors_exhausted
from support.flooding_peer import FloodingPeer
from support.raw_peer import RawPeers
from support.scheduling import run_iterations


async def test_connecting_says_so_and_leaves_nothing(raw_peers: RawPeers):
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


async def test_the_only_connection_goes_on_after_a_pause(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers, limit=1000)
    flood = FloodingPeer(connection.peer)
    await flood.send_until_blocked(connection.reader)
    # Nothing is watched, for longer than the poller waits for that to change.
    await run_iterations(10)
    with descriptors_exhausted():
        data = await flood.read_all_with(connection.reader.read)
    assert data == flood.expected()
    await abort_connections([connection])


async def test_the_only_connection_is_closed_after_a_pause(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.transport.pause_reading()
    await run_iterations(10)
    with descriptors_exhausted():
        connection.writer.write(b"last words")
        connection.writer.close()
        await connection.writer.wait_closed()
    assert connection.peer.receive_rest() == b"last words"


PROGRAM = pathlib.Path(__file__).with_name("descriptor_limit_program.py")


@pytest.mark.loops("asyncio", "uvloop")
def test_a_server_and_its_clients_at_the_descriptor_limit(loop_kind: str):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", PROGRAM, loop_kind],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.stderr, done.stdout, done.returncode) == ("", "nothing left, nothing lost\n", 0)
