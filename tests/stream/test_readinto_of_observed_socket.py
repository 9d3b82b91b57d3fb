"""read_exactly_into() loses nothing if a receive reads ``reader._buffer`` first: the receive then has other memory."""

import socket
from typing import Any

import pytest

import sluiceway
from stream.streams import stream_pair
from support.scheduling import run_iterations, start_task

pytestmark = [
    pytest.mark.loops("asyncio"),
    pytest.mark.skipif(sluiceway.ENGINE == "epoll", reason="the socket of the engine's transports cannot be replaced"),
]


class ObservedSocket:
    """Looks at the buffer of ``reader`` before each receive, as code that observes a connection may do."""

    def __init__(self, sock: socket.socket, reader: sluiceway.StreamReader) -> None:
        self._observed = sock
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._observed, name)

    def recv_into(self, buffer: Any) -> int:
        assert isinstance(self._reader._buffer, bytearray)
        return self._observed.recv_into(buffer)

    def recv(self, size: int) -> bytes:
        assert isinstance(self._reader._buffer, bytearray)
        return self._observed.recv(size)


@pytest.mark.parametrize("received_before", [0, 1])
async def test_receive_after_access_to_the_buffer(received_before: int) -> None:
    async with stream_pair() as (stream, peer):
        transport: Any = stream.writer.transport
        observed = transport._sock
        memory = bytearray(4)
        read = await start_task(stream.read_exactly_into(memory))
        await peer.send(b"abcdef"[:received_before])
        await run_iterations(5)
        transport._sock = ObservedSocket(observed, stream.reader)
        await peer.send(b"abcdef"[received_before:])
        await read
        assert memory == b"abcd"
        assert await stream.read_exactly(2) == b"ef"
        memory.clear()  # the read has released it
        transport._sock = observed
