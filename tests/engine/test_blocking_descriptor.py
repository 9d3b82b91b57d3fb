"""No call of the engine blocks when another process that shares a socket clears O_NONBLOCK.

The calls that have no such flag, accept() and close(), may block, but release the interpreter lock. The test runs in a
subprocess, because a blocking call would hold that lock. O_NONBLOCK belongs to the open file description, so clearing
it in this process has the same effect.
"""

import subprocess
import sys

import pytest

from support.timeouts import PROCESS_TIMEOUT

PROGRAM = """
import asyncio, contextlib, os, socket, struct, sys, tempfile, threading
import sluiceway

# Another thread runs only when a call has released the interpreter lock.
sys.setswitchinterval(1000)

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

async def send_rest(pieces):
    # What a large write has left in the queue is sent when the peer has made room, again more than the kernel accepts.
    reader, writer, far, fd = await connect()
    far.setblocking(False)
    for piece in pieces:
        writer.write(piece)
    unsent = writer.transport.get_write_buffer_size()
    while writer.transport.get_write_buffer_size() == unsent:
        with contextlib.suppress(BlockingIOError):
            far.recv(1_000_000)
        await asyncio.sleep(0)
    writer.transport.abort()
    far.close()

async def send_rest_of_one_write():
    await send_rest([bytes(100_000_000)])

async def send_rest_of_many_writes():
    await send_rest([bytes(1_000_000)] * 100)

async def send_small_corked_writes():
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(folder + "/socket")
        listener.listen()
        # Not as sock=, because the writes of such a socket are not corked.
        reader, writer = await sluiceway.open_unix_connection(folder + "/socket")
        far, _ = listener.accept()
    fd = writer.transport.raw.fileno()

    async def step():
        await reader.readexactly(1)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(fd, bytes(1_000_000))
        os.set_blocking(fd, True)
        writer.write(b"small ")
        writer.write(b"pieces")

    task = asyncio.create_task(step())
    while reader._waiter is None:
        await asyncio.sleep(0)
    far.send(b"!")
    await task
    assert writer.transport.get_write_buffer_size() == 12
    writer.transport.abort()
    far.close()

async def accept():
    class Blocking(socket.socket):
        def setblocking(self, flag):
            # As if another process cleared O_NONBLOCK directly before accept().
            super().setblocking(True)

    def handle(reader, writer):
        # Called within the batch of accepts. The next accept() blocks until the other thread connects.
        writer.transport.abort()
        if not accepted.is_set():
            accepted.set()
        else:
            server.close()

    def connect_again():
        accepted.wait()
        socket.create_connection(address).close()

    accepted = threading.Event()
    listener = Blocking()
    listener.bind(("127.0.0.1", 0))
    server = await sluiceway.start_server(handle, sock=listener)
    address = listener.getsockname()
    thread = threading.Thread(target=connect_again)
    thread.start()
    socket.create_connection(address).close()
    await server.wait_closed()
    thread.join()

async def close():
    # With SO_LINGER, close() of an accepted socket blocks until the peer, here another thread, has the data.
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 10))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    def handle(reader, writer):
        writer.write(bytes(100_000))
        # Runs directly before the end of the connection, in the same iteration.
        loop.call_soon(closing.set)
        writer.close()
        server.close()

    def read_late():
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(address)
            closing.wait()
            reading.set()
            while peer.recv(100_000):
                pass

    closing, reading = threading.Event(), threading.Event()
    address = listener.getsockname()
    server = await sluiceway.start_server(handle, sock=listener)
    thread = threading.Thread(target=read_late)
    thread.start()
    await server.wait_closed()
    assert reading.is_set()
    thread.join()

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


@pytest.mark.parametrize(
    "call",
    [
        *("send", "send_rest_of_one_write", "send_rest_of_many_writes", "send_small_corked_writes", "receive"),
        *("accept", "close"),
    ],
)
def test_cleared_o_nonblock_does_not_block_the_engine(call: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, call], capture_output=True, text=True, check=False, timeout=PROCESS_TIMEOUT
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-500:]
