"""A callback of the only socket runs the loop until its own connection is gone: nothing is used after it was freed.

The loop watches the only socket itself, so nothing but the poller's call refers to the connection then. In a process of
its own, since the fault would end the interpreter.
"""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, gc, socket, sys
import sluiceway

def turns(n):
    loop = asyncio.get_running_loop()
    for _ in range(n):
        loop.call_soon(lambda: None)
        loop._run_once()

def end_connection(protocol):
    protocol.transport.abort()
    protocol.transport = protocol.kept = None
    turns(5)
    gc.collect()
    junk = [bytearray(300) for _ in range(1000)]
    protocol.ended.set_result(None)
    if sys.argv[2] == "raises":
        raise ValueError("after the end")

class Ends:
    def __init__(self, transport, *kept):
        self.transport, self.kept = transport, kept
        self.ended = asyncio.get_running_loop().create_future()

class OnData(Ends, asyncio.Protocol):
    def data_received(self, data):
        end_connection(self)

class OnEof(Ends, asyncio.Protocol):
    def eof_received(self):
        end_connection(self)

class OnGetBuffer(Ends, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        end_connection(self)
        return bytearray(10)

class OnBufferUpdated(Ends, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        return bytearray(10)
    def buffer_updated(self, nbytes):
        end_connection(self)

async def main():
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    near, far = socket.socketpair()
    near.setblocking(False)
    reader, writer = await sluiceway.open_unix_connection(sock=near)
    transport = writer.transport
    protocol = globals()[sys.argv[1]](transport, reader, writer)
    transport.set_protocol(protocol)
    ended = protocol.ended
    del reader, writer, transport, near, protocol
    gc.collect()
    far.send(b"x")
    far.shutdown(socket.SHUT_WR)
    await ended
    await asyncio.sleep(0)
    far.close()
    print("survived")

asyncio.run(main())
"""


@pytest.mark.parametrize("end", ["returns", "raises"])
@pytest.mark.parametrize("protocol", ["OnData", "OnEof", "OnGetBuffer", "OnBufferUpdated"])
def test_interpreter_survives_a_callback_that_ends_the_only_connection(protocol: str, end: str) -> None:
    environment = {**os.environ, "PYTHONMALLOC": "debug"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, protocol, end],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr[-500:]
