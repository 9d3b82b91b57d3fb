"""R8: why there is no more to read: clean, truncated, reset, closed; None while there may be more."""

import asyncio
import contextlib
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import wait_until
from support.tls_connections import TLS_ROLES, tls_connection

every_side = pytest.mark.parametrize("role", TLS_ROLES)


async def ended(writer: Any) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_fin_is_clean(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    peer = listener.accept()
    assert reader.eof_reason is None
    peer.send(b"word")
    assert await reader.readexactly(4) == b"word"
    assert reader.eof_reason is None
    peer.half_close()
    assert await reader.read() == b""
    assert reader.eof_reason == "clean"
    await ended(writer)
    assert reader.eof_reason == "clean"


async def test_fin_is_clean_on_a_unix_socket(raw_peers: RawPeers, unix_path: str) -> None:
    listener = raw_peers.listen(unix=unix_path)
    reader, writer = await sluiceway.open_unix_connection(unix_path)
    listener.accept().half_close()
    assert await reader.read() == b""
    assert reader.eof_reason == "clean"
    await ended(writer)


async def test_a_reset(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    listener.accept().reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert reader.eof_reason == "reset"
    await ended(writer)
    assert reader.eof_reason == "reset"


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_closed_here(how: str, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    peer = listener.accept()
    if how == "close":
        writer.close()
    else:
        writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    assert await reader.read() == b""
    assert reader.eof_reason == "closed"
    peer.close()


async def test_closed_here_with_a_read_that_waits(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    listener.accept()
    reading = asyncio.create_task(reader.read(10))
    await asyncio.sleep(0)
    await ended(writer)
    assert await reading == b""
    assert reader.eof_reason == "closed"


async def test_it_cannot_be_set(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    with pytest.raises(AttributeError):
        reader.eof_reason = "clean"
    await ended(writer)


@pytest.mark.parametrize(("feed", "reason"), [
    (lambda reader: reader.feed_eof(), "clean"),
    (lambda reader: reader.set_exception(ConnectionResetError()), "reset"),
])  # fmt: skip
async def test_of_a_reader_fed_without_a_transport(feed: Any, reason: str) -> None:
    reader = sluiceway.StreamReader()
    reader.feed_data(b"word")
    assert reader.eof_reason is None
    feed(reader)
    assert reader.eof_reason == reason


# -- over TLS -------------------------------------------------------------------------------------------------------


@every_side
async def test_close_notify_is_clean(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    def leave(peer: RawPeer) -> None:
        peer.send(b"word")
        peer.wait_for("leave")
        peer.unwrap_tls()

    async with tls_connection(role, raw_peers, tls, leave) as (reader, writer, script):
        assert reader.eof_reason is None
        assert await reader.readexactly(4) == b"word"
        assert reader.eof_reason is None
        script.signal("leave")
        assert await reader.read() == b""
        assert reader.eof_reason == "clean"
        await ended(writer)
        assert reader.eof_reason == "clean"
        await script.finished()


@every_side
async def test_a_reset_over_tls(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    def leave(peer: RawPeer) -> None:
        peer.send(b"word")
        peer.wait_for("reset")
        peer.reset()

    async with tls_connection(role, raw_peers, tls, leave) as (reader, writer, script):
        assert await reader.readexactly(4) == b"word"
        script.signal("reset")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert reader.eof_reason == "reset"
        await ended(writer)
        assert reader.eof_reason == "reset"


@every_side
async def test_closed_here_over_tls(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """The peer's answer to our close_notify is no end of its own."""

    def answer(peer: RawPeer) -> None:
        assert peer.receive_rest() == b""
        peer.unwrap_tls()

    async with tls_connection(role, raw_peers, tls, answer) as (reader, writer, script):
        await ended(writer)
        assert await reader.read() == b""
        assert reader.eof_reason == "closed"
        await script.finished()


async def test_bytes_before_a_reset_over_tls(raw_peers: RawPeers, tls: Certificates) -> None:
    """R2: what had arrived is delivered, the error and its reason come behind it."""

    def leave(peer: RawPeer) -> None:
        peer.send(b"word")
        peer.wait_for("reset")
        peer.reset()

    async with tls_connection("client", raw_peers, tls, leave) as (reader, writer, script):
        assert await reader.readexactly(1) == b"w"
        script.signal("reset")
        await wait_until(lambda: reader.exception() is not None)
        assert await reader.readexactly(3) == b"ord"
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        assert reader.eof_reason == "reset"
