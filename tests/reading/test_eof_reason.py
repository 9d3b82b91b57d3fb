"""R8: eof_reason is the cause of the end of input: clean, truncated, reset or closed; None before the end."""

import asyncio
import contextlib
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import wait_until
from support.tls_connections import TLS_ROLES, tls_connection

both_roles = pytest.mark.parametrize("role", TLS_ROLES)


async def close(writer: Any) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_fin_gives_eof_reason_clean(raw_peers: RawPeers) -> None:
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
    await close(writer)
    assert reader.eof_reason == "clean"


async def test_fin_on_unix_socket_gives_eof_reason_clean(raw_peers: RawPeers, unix_path: str) -> None:
    listener = raw_peers.listen(unix=unix_path)
    reader, writer = await sluiceway.open_unix_connection(unix_path)
    listener.accept().half_close()
    assert await reader.read() == b""
    assert reader.eof_reason == "clean"
    await close(writer)


async def test_reset_gives_eof_reason_reset(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    listener.accept().reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert reader.eof_reason == "reset"
    await close(writer)
    assert reader.eof_reason == "reset"


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_local_close_gives_eof_reason_closed(how: str, raw_peers: RawPeers) -> None:
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


async def test_local_close_during_read_gives_eof_reason_closed(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    listener.accept()
    reading = asyncio.create_task(reader.read(10))
    await asyncio.sleep(0)
    await close(writer)
    assert await reading == b""
    assert reader.eof_reason == "closed"


async def test_assigning_eof_reason_raises_attribute_error(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    with pytest.raises(AttributeError):
        reader.eof_reason = "clean"
    await close(writer)


@pytest.mark.parametrize(("feed", "reason"), [
    (lambda reader: reader.feed_eof(), "clean"),
    (lambda reader: reader.set_exception(ConnectionResetError()), "reset"),
])  # fmt: skip
async def test_reader_without_transport_has_eof_reason_of_what_was_fed(feed: Any, reason: str) -> None:
    reader = sluiceway.StreamReader()
    reader.feed_data(b"word")
    assert reader.eof_reason is None
    feed(reader)
    assert reader.eof_reason == reason


# -- over TLS -------------------------------------------------------------------------------------------------------


@both_roles
async def test_close_notify_gives_eof_reason_clean(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    def script_of_peer(peer: RawPeer) -> None:
        peer.send(b"word")
        peer.wait_for("close")
        peer.unwrap_tls()

    async with tls_connection(role, raw_peers, tls, script_of_peer) as (reader, writer, script):
        assert reader.eof_reason is None
        assert await reader.readexactly(4) == b"word"
        assert reader.eof_reason is None
        script.signal("close")
        assert await reader.read() == b""
        assert reader.eof_reason == "clean"
        await close(writer)
        assert reader.eof_reason == "clean"
        await script.finished()


@both_roles
async def test_reset_over_tls_gives_eof_reason_reset(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    def script_of_peer(peer: RawPeer) -> None:
        peer.send(b"word")
        peer.wait_for("reset")
        peer.reset()

    async with tls_connection(role, raw_peers, tls, script_of_peer) as (reader, writer, script):
        assert await reader.readexactly(4) == b"word"
        script.signal("reset")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert reader.eof_reason == "reset"
        await close(writer)
        assert reader.eof_reason == "reset"


@both_roles
async def test_local_close_over_tls_gives_eof_reason_closed(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """The peer's answer to the local close_notify does not count as an end of its own."""

    def answer(peer: RawPeer) -> None:
        assert peer.receive_rest() == b""
        peer.unwrap_tls()

    async with tls_connection(role, raw_peers, tls, answer) as (reader, writer, script):
        await close(writer)
        assert await reader.read() == b""
        assert reader.eof_reason == "closed"
        await script.finished()


async def test_bytes_before_reset_over_tls_are_read_before_error(raw_peers: RawPeers, tls: Certificates) -> None:
    """R2: bytes that arrived before the reset are delivered first, then the error and its eof_reason."""

    def script_of_peer(peer: RawPeer) -> None:
        peer.send(b"word")
        peer.wait_for("reset")
        peer.reset()

    async with tls_connection("client", raw_peers, tls, script_of_peer) as (reader, writer, script):
        assert await reader.readexactly(1) == b"w"
        script.signal("reset")
        await wait_until(lambda: reader.exception() is not None)
        assert await reader.readexactly(3) == b"ord"
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        assert reader.eof_reason == "reset"
