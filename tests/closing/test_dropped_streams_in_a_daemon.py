"""A daemon closes all descriptors that it has inherited, and then drops the streams of its parent."""

import asyncio
import os
import select
import socket

import pytest

import sluiceway
from support.child_processes import IGNORE_THREADS, run_child
from support.loops import new_runner

pytestmark = [IGNORE_THREADS, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


def descriptors_of_a_daemon() -> list[socket.socket]:
    """Close all descriptors, then open sockets with the same numbers. Return the ends that receive what is sent."""
    os.closerange(3, 200)
    pairs = [socket.socketpair() for _ in range(50)]
    return [end for pair in pairs for end in pair]


@pytest.mark.loops("asyncio", "debug", "uvloop", "eager")
@pytest.mark.parametrize("running", [False, True])
def test_streams_dropped_in_a_daemon_write_to_no_descriptor(loop_kind: str, running: bool) -> None:
    streams: list[tuple[sluiceway.StreamReader, sluiceway.StreamWriter]] = []

    def daemon() -> None:
        ends = descriptors_of_a_daemon()
        asyncio.events._set_running_loop(None)
        streams.clear()
        assert select.select(ends, [], [], 0)[0] == []

    async def connect(ours: socket.socket) -> None:
        streams.append(await sluiceway.open_unix_connection(sock=ours))
        if running:
            assert run_child(daemon) == 0

    ours, peer = socket.socketpair()
    with peer, new_runner(loop_kind) as runner:
        runner.run(connect(ours))
        if not running:
            assert run_child(daemon) == 0
        writer = streams[0][1]
        writer.close()
        runner.run(writer.wait_closed())
