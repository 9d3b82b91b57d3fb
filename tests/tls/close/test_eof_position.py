"""T3: where exactly the TCP connection ends: between records, within one, before and behind close_notify."""

import asyncio
import ssl
from collections.abc import Callable

import pytest

import sluiceway
from support.certificates import Certificates
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers

Ending = Callable[[ManualTLS], bytes]

# What is on the wire before the FIN, what of it can be read, and what the end is.
ENDINGS: dict[str, tuple[Ending, bytes, str]] = {
    "nothing at all": (lambda tls: b"", b"", "truncated"),
    "a whole record": (lambda tls: tls.encrypt(b"whole"), b"whole", "truncated"),
    "a header's first byte": (lambda tls: tls.encrypt(b"whole") + tls.encrypt(b"cut")[:1], b"whole", "truncated"),
    "a header alone": (lambda tls: tls.encrypt(b"whole") + tls.encrypt(b"cut")[:5], b"whole", "truncated"),
    "all but the last byte": (lambda tls: tls.encrypt(b"whole") + tls.encrypt(b"cut")[:-1], b"whole", "truncated"),
    "all but close_notify's last byte": (
        lambda tls: tls.encrypt(b"whole") + tls.close_notify()[:-1], b"whole", "truncated"
    ),
    "close_notify alone": (lambda tls: tls.close_notify(), b"", "clean"),
    "close_notify in the same segment": (lambda tls: tls.encrypt(b"whole") + tls.close_notify(), b"whole", "clean"),
    "more after close_notify": (
        lambda tls: tls.encrypt(b"whole") + tls.close_notify() + b"\x17\x03\x03\x00\x05", b"whole", "clean"
    ),
}  # fmt: skip


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ENDINGS)
async def test_the_end(name: str, version: ssl.TLSVersion, raw_peers: RawPeers, tls: Certificates) -> None:
    ending, data, reason = ENDINGS[name]
    context = tls.new_server_context()
    context.maximum_version = version

    def serve(peer: RawPeer) -> None:
        manual_tls = ManualTLS(peer, context, server_side=True)
        manual_tls.do_handshake()
        peer.send(ending(manual_tls))
        peer.half_close()
        try:
            peer.receive_rest()
        except ConnectionError:
            pass

    script = raw_peers.serve(serve)
    reader, writer = await sluiceway.open_connection(
        *script.address, ssl=tls.client_context, server_hostname="localhost"
    )
    assert await reader.read() == data
    assert reader.at_eof()
    assert reader.eof_reason == reason
    assert reader.exception() is None
    writer.close()
    await writer.wait_closed()
    await script.finished()


async def test_a_record_that_was_changed_on_its_way(raw_peers: RawPeers, tls: Certificates) -> None:
    """What came before is delivered, what the changed one held is not, and the error is none of an end."""

    def serve(peer: RawPeer) -> None:
        manual_tls = ManualTLS(peer, tls.server_context, server_side=True)
        manual_tls.do_handshake()
        peer.send(manual_tls.encrypt(b"whole"))
        forged = bytearray(manual_tls.encrypt(b"forged"))
        forged[-1] ^= 1
        peer.wait_for("forge")
        peer.send(bytes(forged))
        try:
            peer.receive_rest()
        except ConnectionError:
            pass

    script = raw_peers.serve(serve)
    reader, writer = await sluiceway.open_connection(
        *script.address, ssl=tls.client_context, server_hostname="localhost"
    )
    assert await reader.readexactly(5) == b"whole"
    script.signal("forge")
    with pytest.raises(ssl.SSLError) as caught:
        await reader.read()
    assert not isinstance(caught.value, ssl.SSLEOFError)
    # OpenSSL 3.6 has the second reason.
    assert caught.value.reason in {
        "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
        "SSLV3_ALERT_BAD_RECORD_MAC",
        "RECORD_LAYER_FAILURE",
    }
    assert reader.eof_reason not in (None, "clean", "closed")
    writer.close()
    with pytest.raises(ssl.SSLError):
        await asyncio.wait_for(writer.wait_closed(), 10)
    await script.finished()
