"""No call of the engine blocks when another process that shares a socket clears O_NONBLOCK.

The test runs in a subprocess, because a blocking call would hold the interpreter lock. O_NONBLOCK belongs to the open
file description, so clearing it in this process has the same effect.
"""

import subprocess
import sys

import pytest

from support.timeouts import PROCESS_TIMEOUT

PROGRAM = """
import asyncio, os, socket, sys
import sluiceway

async def connect():
    near, far = socket.socketpair()
    near.setblocking(False)
    reader, writer = await sluiceway.open_unix_connection(sock=near)
    fd = near.fileno()
    os.set_blocking(fd, True)
    return reader, writer, far, fd

async def send():
    # More than the kernel accepts; the peer reads nothing.
    reader, writer, far, fd = await connect()
    for _ in range(100):
        writer.write(bytes(1_000_000))
    writer.transport.abort()
    far.close()

async def receive():
    # Both are ready in one round; the callback of each consumes the data of the other.
    pairs = [await connect() for _ in range(2)]
    taken = asyncio.get_running_loop().create_future()
    class Takes(asyncio.Protocol):
        def __init__(self, fd):
            self.fd = fd
        def data_received(self, data):
            assert os.read(self.fd, 10) == b"x"
            taken.set_result(None)
    for pair, other in zip(pairs, reversed(pairs)):
        pair[1].transport.set_protocol(Takes(other[3]))
    for pair in pairs:
        pair[2].send(b"x")
    await taken
    await asyncio.sleep(0)
    for pair in pairs:
        pair[1].transport.abort()
        pair[2].close()

asyncio.run(globals()[sys.argv[1]]())
print("done")
"""


@pytest.mark.parametrize("direction", ["send", "receive"])
def test_cleared_o_nonblock_does_not_block_the_engine(direction: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, direction], capture_output=True, text=True, check=False, timeout=PROCESS_TIMEOUT
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-500:]
