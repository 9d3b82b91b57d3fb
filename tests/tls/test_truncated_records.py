"""T3: where exactly the TCP connection ends: between records, within one, before and behind close_notify."""

import asyncio
import ssl
from collections.abc import Callable

import pytest

import sluiceway
from support.certificates import Certificates
from support.peer import Peers, Wire
from support.tls_by_hand import TLSEnd

Ending = Callable[[TLSEnd], bytes]

# What is on the wire before the FIN, what of it can be read, and what the end is.
ENDINGS: dict[str, tuple[Ending, bytes, str]] = {
    "nothing at all": (lambda end: b"", b"", "truncated"),
    "a whole record": (lambda end: end.sealed(b"whole"), b"whole", "truncated"),
    "a header's first byte": (lambda end: end.sealed(b"whole") + end.sealed(b"cut")[:1], b"whole", "truncated"),
    "a header alone": (lambda end: end.sealed(b"whole") + end.sealed(b"cut")[:5], b"whole", "truncated"),
    "all but the last byte": (lambda end: end.sealed(b"whole") + end.sealed(b"cut")[:-1], b"whole", "truncated"),
    "all but close_notify's last byte": (lambda end: end.sealed(b"whole") + end.farewell()[:-1], b"whole", "truncated"),
    "close_notify alone": (lambda end: end.farewell(), b"", "clean"),
    "close_notify in the same segment": (lambda end: end.sealed(b"whole") + end.farewell(), b"whole", "clean"),
    "more after close_notify": (
        lambda end: end.sealed(b"whole") + end.farewell() + b"\x17\x03\x03\x00\x05", b"whole", "clean"
    ),
}  # fmt: skip


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ENDINGS)
async def test_the_end(name: str, version: ssl.TLSVersion, peer: Peers, tls: Certificates) -> None:
    ending, data, reason = ENDINGS[name]
    context = tls.new_server_context()
    context.maximum_version = version

    def serve(wire: Wire) -> None:
        end = TLSEnd(wire, context, server_side=True)
        end.shake_hands()
        wire.send(ending(end))
        wire.half_close()
        try:
            wire.receive_rest()
        except ConnectionError:
            pass

    script = peer.serve(serve)
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


async def test_a_record_that_was_changed_on_its_way(peer: Peers, tls: Certificates) -> None:
    """What came before is delivered, what the changed one held is not, and the error is none of an end."""

    def serve(wire: Wire) -> None:
        end = TLSEnd(wire, tls.server_context, server_side=True)
        end.shake_hands()
        wire.send(end.sealed(b"whole"))
        forged = bytearray(end.sealed(b"forged"))
        forged[-1] ^= 1
        wire.wait("forge")
        wire.send(bytes(forged))
        try:
            wire.receive_rest()
        except ConnectionError:
            pass

    script = peer.serve(serve)
    reader, writer = await sluiceway.open_connection(
        *script.address, ssl=tls.client_context, server_hostname="localhost"
    )
    assert await reader.readexactly(5) == b"whole"
    script.go("forge")
    with pytest.raises(ssl.SSLError) as caught:
        await reader.read()
    assert not isinstance(caught.value, ssl.SSLEOFError)
    assert "bad record mac" in str(caught.value).lower().replace("_", " ")
    assert reader.eof_reason not in (None, "clean", "closed")
    writer.close()
    with pytest.raises(ssl.SSLError):
        await asyncio.wait_for(writer.wait_closed(), 10)
    await script.finished()
