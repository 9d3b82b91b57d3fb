"""One large write to a peer that does not read: it waits as plaintext, and is sent whole when the peer goes on."""

import pytest

from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.tls_connections import TLS_ROLES, tls_connection

MIB = 1 << 20
LARGE = bytes(range(251)) * (64 * MIB // 251)
PIECES = [LARGE[at : at + MIB] for at in range(0, len(LARGE), MIB)]
# The high-water mark, what is encrypted before it is looked at, and what encryption adds.
BELOW = 400 * 1024


@pytest.mark.parametrize("then", ["drain", "close"])
@pytest.mark.parametrize("role", TLS_ROLES)
async def test_it_waits_and_arrives(role: str, then: str, raw_peers: RawPeers, tls: Certificates) -> None:
    def body(peer: RawPeer) -> bool:
        peer.wait_for("go on")
        # In pieces: the wire puts together what it receives bit by bit.
        whole = all(peer.receive(len(piece)) == piece for piece in PIECES)
        return whole and (then == "drain" or peer.receive_rest() == b"")

    async with tls_connection(role, raw_peers, tls, body) as (_, writer, script):
        writer.write(LARGE)
        # The kernel's buffers take some megabytes.
        assert writer.transport.get_write_buffer_size() > len(LARGE) // 2
        assert writer.transport._lower.get_write_buffer_size() <= BELOW
        if then == "close":
            writer.close()
        script.signal("go on")
        if then == "drain":
            await writer.drain()
            assert writer.transport.get_write_buffer_size() <= writer.transport.get_write_buffer_limits()[1]
        assert await script.finished()
