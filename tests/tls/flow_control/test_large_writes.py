"""A large write to a peer that does not read is kept as plaintext, and sent completely once the peer reads."""

import pytest

from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.tls_connections import TLS_ROLES, tls_connection

MIB = 1 << 20
LARGE = bytes(range(251)) * (32 * MIB // 251)
PIECES = [LARGE[at : at + MIB] for at in range(0, len(LARGE), MIB)]
# The high-water mark, the data encrypted before it is checked, and the overhead of encryption.
MAX_ENCRYPTED = 400 * 1024


@pytest.mark.parametrize("then", ["drain", "close"])
@pytest.mark.parametrize("role", TLS_ROLES)
async def test_large_write_is_mostly_unencrypted_until_the_peer_reads(
    role: str, then: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    def body(peer: RawPeer) -> bool:
        peer.wait_for("receive")
        # In pieces, so that the peer does not join many parts.
        whole = all(peer.receive(len(piece)) == piece for piece in PIECES)
        return whole and (then == "drain" or peer.receive_rest() == b"")

    async with tls_connection(role, raw_peers, tls, body) as (_, writer, script):
        writer.write(LARGE)
        # The kernel's buffers take some megabytes.
        assert writer.transport.get_write_buffer_size() > len(LARGE) // 2
        assert writer.transport._lower.get_write_buffer_size() <= MAX_ENCRYPTED
        if then == "close":
            writer.close()
        script.signal("receive")
        if then == "drain":
            await writer.drain()
            assert writer.transport.get_write_buffer_size() <= writer.transport.get_write_buffer_limits()[1]
        assert await script.finished()
