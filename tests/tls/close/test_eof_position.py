"""T3: eof_reason for a FIN at every position: between and within records, before and after close_notify."""

import ssl
from collections.abc import Callable

import pytest

import sluiceway
from support.certificates import Certificates
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers

SentBytes = Callable[[ManualTLS], bytes]

# The bytes before the FIN, the data that can be read, and eof_reason.
STREAMS: dict[str, tuple[SentBytes, bytes, str]] = {
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
@pytest.mark.parametrize("name", STREAMS)
async def test_eof_reason_depends_on_the_position_of_the_fin(
    name: str, version: ssl.TLSVersion, raw_peers: RawPeers, tls: Certificates
) -> None:
    sent_bytes, data, reason = STREAMS[name]
    context = tls.new_server_context()
    context.maximum_version = version

    def serve(peer: RawPeer) -> None:
        manual_tls = ManualTLS(peer, context, server_side=True)
        manual_tls.do_handshake()
        peer.send(sent_bytes(manual_tls))
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


async def test_modified_record_raises_an_ssl_error_that_is_not_an_eof_error(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    """T3: data before the modified record is delivered, its own data is not."""

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
        await writer.wait_closed()
    await script.finished()
