"""One large write to a peer that does not read: it waits as plaintext, and is sent whole when the peer goes on."""

import pytest

from support.certificates import Certificates
from support.peer import Peers, Wire
from support.tls_sides import SIDES, facing

MIB = 1 << 20
LARGE = bytes(range(251)) * (64 * MIB // 251)
PIECES = [LARGE[at : at + MIB] for at in range(0, len(LARGE), MIB)]
# The high-water mark, what is encrypted before it is looked at, and what encryption adds.
BELOW = 400 * 1024


@pytest.mark.parametrize("then", ["drain", "close"])
@pytest.mark.parametrize("side", SIDES)
async def test_it_waits_and_arrives(side: str, then: str, peer: Peers, tls: Certificates) -> None:
    def body(wire: Wire) -> bool:
        wire.wait("go on")
        # In pieces: the wire puts together what it receives bit by bit.
        whole = all(wire.receive(len(piece)) == piece for piece in PIECES)
        return whole and (then == "drain" or wire.receive_rest() == b"")

    async with facing(side, peer, tls, body) as (_, writer, script):
        writer.write(LARGE)
        # The kernel's buffers take some megabytes.
        assert writer.transport.get_write_buffer_size() > len(LARGE) // 2
        assert writer.transport._below.get_write_buffer_size() <= BELOW
        if then == "close":
            writer.close()
        script.go("go on")
        if then == "drain":
            await writer.drain()
            assert writer.transport.get_write_buffer_size() <= writer.transport.get_write_buffer_limits()[1]
        assert await script.finished()
