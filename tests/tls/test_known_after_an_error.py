"""T5 after an error of TLS itself: OpenSSL forgets that it shook hands, the writer does not."""

from collections.abc import Callable
from typing import Any

import pytest

from support.certificates import Certificates
from support.peer import Peers, Wire
from support.tls_by_hand import TLSEnd
from support.tls_sides import SIDES, facing_by_hand
from support.turns import turns

NAMES = ("peername", "sockname", "cipher", "peercert", "ssl_object", "sslcontext", "compression")


def garbage(wire: Wire, end: TLSEnd) -> None:
    wire.send(b"no record of TLS")


def changed_record(wire: Wire, end: TLSEnd) -> None:
    record = bytearray(end.sealed(b"forged"))
    record[-1] ^= 1
    wire.send(bytes(record))


@pytest.mark.parametrize("fault", [garbage, changed_record], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("side", SIDES)
async def test_it_can_still_be_said_who_that_was(
    side: str, fault: Callable[[Wire, TLSEnd], None], peer: Peers, tls: Certificates
) -> None:
    async with facing_by_hand(side, peer, tls) as (reader, writer, wire, end):
        wire.send(end.sealed(b"hello"))
        assert await reader.readexactly(5) == b"hello"

        def known() -> list[Any]:
            return [writer.get_extra_info(name, "nothing") for name in NAMES]

        before = known()
        fault(wire, end)
        with pytest.raises(OSError):
            await reader.read()
        for _ in range(5):
            assert known() == before
            await turns(1)
        writer.close()
        with pytest.raises(OSError):
            await writer.wait_closed()
        assert known() == before
