"""The program closes the descriptor under an open connection: nothing is sent to the next owner of its number."""

import errno
import socket

import pytest

import sluiceway
from support.raw_peer import RawPeers


async def replaced_descriptor(raw_peers: RawPeers) -> tuple:
    """A connection whose descriptor the program has closed, and a socket pair of which one has its number now."""
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    peer = listener.accept()
    sock = writer.transport._sock
    number = sock.fileno()
    sock.close()
    pair = socket.socketpair()
    for one in pair:
        one.setblocking(False)
    assert number in {one.fileno() for one in pair}
    return reader, writer, peer, pair


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_write_after_the_program_closed_the_socket_reaches_no_other_socket(raw_peers: RawPeers) -> None:
    _, writer, _, pair = await replaced_descriptor(raw_peers)
    writer.write(b"secret")
    with pytest.raises(OSError):
        await writer.drain()
    for one in pair:
        with pytest.raises(BlockingIOError):
            one.recv(100)
    for one in pair:
        one.close()
    writer.close()
    with pytest.raises(OSError) as caught:
        await writer.wait_closed()
    assert caught.value.errno == errno.EBADF
