"""T5 after an error of TLS itself: OpenSSL forgets that it shook hands, the writer does not."""

from collections.abc import Callable
from typing import Any

import pytest

from support.certificates import Certificates
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations
from support.tls_connections import TLS_ROLES, manual_tls_connection

NAMES = ("peername", "sockname", "cipher", "peercert", "ssl_object", "sslcontext", "compression")


def garbage(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.send(b"no record of TLS")


def changed_record(peer: RawPeer, manual_tls: ManualTLS) -> None:
    record = bytearray(manual_tls.encrypt(b"forged"))
    record[-1] ^= 1
    peer.send(bytes(record))


@pytest.mark.parametrize("fault", [garbage, changed_record], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("role", TLS_ROLES)
async def test_it_can_still_be_said_who_that_was(
    role: str, fault: Callable[[RawPeer, ManualTLS], None], raw_peers: RawPeers, tls: Certificates
) -> None:
    async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls):
        peer.send(manual_tls.encrypt(b"hello"))
        assert await reader.readexactly(5) == b"hello"

        def known() -> list[Any]:
            return [writer.get_extra_info(name, "nothing") for name in NAMES]

        before = known()
        fault(peer, manual_tls)
        with pytest.raises(OSError):
            await reader.read()
        for _ in range(5):
            assert known() == before
            await run_iterations(1)
        writer.close()
        with pytest.raises(OSError):
            await writer.wait_closed()
        assert known() == before
