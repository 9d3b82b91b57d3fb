"""When the program closes the descriptor of an open connection, nothing is sent to a socket that reuses its number."""

import errno
import socket

import pytest

import sluiceway
from support.raw_peer import RawPeers


async def connection_with_reused_descriptor(raw_peers: RawPeers) -> tuple:
    """Return a connection whose descriptor is closed, and a socket pair of which one socket has the same number."""
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
async def test_write_to_a_closed_descriptor_is_not_sent_to_a_socket_with_its_number(raw_peers: RawPeers) -> None:
    _, writer, _, pair = await connection_with_reused_descriptor(raw_peers)
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
