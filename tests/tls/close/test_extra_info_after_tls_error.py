"""T5: get_extra_info() still returns its values after an error of TLS, which clears OpenSSL's state."""

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


@pytest.mark.parametrize("send_invalid", [garbage, changed_record], ids=lambda send_invalid: send_invalid.__name__)
@pytest.mark.parametrize("role", TLS_ROLES)
async def test_extra_info_is_unchanged_after_an_invalid_record(
    role: str, send_invalid: Callable[[RawPeer, ManualTLS], None], raw_peers: RawPeers, tls: Certificates
) -> None:
    async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls):
        peer.send(manual_tls.encrypt(b"hello"))
        assert await reader.readexactly(5) == b"hello"

        def extra_info() -> list[Any]:
            return [writer.get_extra_info(name, "missing") for name in NAMES]

        before = extra_info()
        send_invalid(peer, manual_tls)
        with pytest.raises(OSError):
            await reader.read()
        for _ in range(5):
            assert extra_info() == before
            await run_iterations(1)
        writer.close()
        with pytest.raises(OSError):
            await writer.wait_closed()
        assert extra_info() == before
