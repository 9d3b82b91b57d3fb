"""A socket of the caller's in place of host and port."""

import socket

import sluiceway
from support.raw_peer import RawPeers


async def test_a_blocking_socket_does_not_block_the_loop(raw_peers: RawPeers) -> None:
    """It is switched to non-blocking on every transport, as asyncio does; a full peer would stop the loop otherwise."""
    listener = raw_peers.listen()
    sock = socket.create_connection(listener.address)
    assert sock.getblocking()
    _, writer = await sluiceway.open_connection(sock=sock)
    peer = listener.accept()
    assert not sock.getblocking()
    writer.close()
    await writer.wait_closed()
    peer.close()
