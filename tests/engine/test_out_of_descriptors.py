"""The engine at the limit of open files: what is open goes on, what cannot be opened says so, nothing is leaked."""

import errno
import os
import pathlib
import subprocess
import sys

import pytest

import sluiceway
from engine.ends import closed, opened
from support import guards
from support.descriptors import no_descriptors_left
from support.flood import Flood
from support.peer import Peers
from support.turns import turns


async def test_connecting_says_so_and_leaves_nothing(peer: Peers):
    [other] = await opened(peer)
    listener = peer.listen()
    before = guards.open_descriptors()
    with no_descriptors_left():
        for _ in range(3):
            with pytest.raises(OSError) as caught:
                await sluiceway.open_connection(*listener.address)
            assert caught.value.errno == errno.EMFILE
        other.wire.send(b"goes on")
        assert await other.reader.readexactly(7) == b"goes on"
    assert guards.open_descriptors() == before
    reader, writer = await sluiceway.open_connection(*listener.address)
    wire = listener.accept()
    wire.send(b"again")
    assert await reader.readexactly(5) == b"again"
    writer.close()
    await writer.wait_closed()
    await other.close()


async def test_the_only_connection_goes_on_after_a_pause(peer: Peers):
    [end] = await opened(peer, limit=1000)
    flood = Flood(end.wire)
    await flood.until_stopped(end.reader)
    # Nothing is watched, for longer than the poller waits for that to change.
    await turns(10)
    with no_descriptors_left():
        data = await flood.read_all_by(end.reader.read)
    assert data == flood.expected()
    await closed([end])


async def test_the_only_connection_is_closed_after_a_pause(peer: Peers):
    [end] = await opened(peer)
    end.transport.pause_reading()
    await turns(10)
    with no_descriptors_left():
        end.writer.write(b"last words")
        end.writer.close()
        await end.writer.wait_closed()
    assert end.wire.receive_rest() == b"last words"


PROGRAM = pathlib.Path(__file__).with_name("at_the_limit.py")


@pytest.mark.loops("asyncio", "uvloop")
def test_a_server_and_its_clients_at_the_limit(loop_kind: str):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", PROGRAM, loop_kind],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.stderr, done.stdout, done.returncode) == ("", "nothing left, nothing lost\n", 0)
