"""R8: why there is no more to read: clean, truncated, reset, closed; None while there may be more."""

import asyncio
import contextlib
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.peer import Peers, Wire
from support.tls_sides import SIDES, facing
from support.turns import until

every_side = pytest.mark.parametrize("side", SIDES)


async def ended(writer: Any) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_fin_is_clean(peer: Peers) -> None:
    listener = peer.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    wire = listener.accept()
    assert reader.eof_reason is None
    wire.send(b"word")
    assert await reader.readexactly(4) == b"word"
    assert reader.eof_reason is None
    wire.half_close()
    assert await reader.read() == b""
    assert reader.eof_reason == "clean"
    await ended(writer)
    assert reader.eof_reason == "clean"


async def test_fin_is_clean_on_a_unix_socket(peer: Peers, unix_path: str) -> None:
    listener = peer.listen(unix=unix_path)
    reader, writer = await sluiceway.open_unix_connection(unix_path)
    listener.accept().half_close()
    assert await reader.read() == b""
    assert reader.eof_reason == "clean"
    await ended(writer)


async def test_a_reset(peer: Peers) -> None:
    listener = peer.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    listener.accept().reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert reader.eof_reason == "reset"
    await ended(writer)
    assert reader.eof_reason == "reset"


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_closed_here(how: str, peer: Peers) -> None:
    listener = peer.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    wire = listener.accept()
    if how == "close":
        writer.close()
    else:
        writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    assert await reader.read() == b""
    assert reader.eof_reason == "closed"
    wire.close()


async def test_closed_here_with_a_read_that_waits(peer: Peers) -> None:
    listener = peer.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    listener.accept()
    reading = asyncio.create_task(reader.read(10))
    await asyncio.sleep(0)
    await ended(writer)
    assert await reading == b""
    assert reader.eof_reason == "closed"


async def test_it_cannot_be_set(peer: Peers) -> None:
    listener = peer.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    with pytest.raises(AttributeError):
        reader.eof_reason = "clean"
    await ended(writer)


@pytest.mark.parametrize(("feed", "reason"), [
    (lambda reader: reader.feed_eof(), "clean"),
    (lambda reader: reader.set_exception(ConnectionResetError()), "reset"),
])  # fmt: skip
async def test_of_a_reader_that_is_fed_by_hand(feed: Any, reason: str) -> None:
    reader = sluiceway.StreamReader()
    reader.feed_data(b"word")
    assert reader.eof_reason is None
    feed(reader)
    assert reader.eof_reason == reason


# -- over TLS -------------------------------------------------------------------------------------------------------


@every_side
async def test_close_notify_is_clean(side: str, peer: Peers, tls: Certificates) -> None:
    def leave(wire: Wire) -> None:
        wire.send(b"word")
        wire.wait("leave")
        wire.farewell()

    async with facing(side, peer, tls, leave) as (reader, writer, script):
        assert reader.eof_reason is None
        assert await reader.readexactly(4) == b"word"
        assert reader.eof_reason is None
        script.go("leave")
        assert await reader.read() == b""
        assert reader.eof_reason == "clean"
        await ended(writer)
        assert reader.eof_reason == "clean"
        await script.finished()


@every_side
async def test_a_reset_over_tls(side: str, peer: Peers, tls: Certificates) -> None:
    def leave(wire: Wire) -> None:
        wire.send(b"word")
        wire.wait("reset")
        wire.reset()

    async with facing(side, peer, tls, leave) as (reader, writer, script):
        assert await reader.readexactly(4) == b"word"
        script.go("reset")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert reader.eof_reason == "reset"
        await ended(writer)
        assert reader.eof_reason == "reset"


@every_side
async def test_closed_here_over_tls(side: str, peer: Peers, tls: Certificates) -> None:
    """The peer's answer to our close_notify is no end of its own."""

    def answer(wire: Wire) -> None:
        assert wire.receive_rest() == b""
        wire.farewell()

    async with facing(side, peer, tls, answer) as (reader, writer, script):
        await ended(writer)
        assert await reader.read() == b""
        assert reader.eof_reason == "closed"
        await script.finished()


async def test_bytes_before_a_reset_over_tls(peer: Peers, tls: Certificates) -> None:
    """R2: what had arrived is delivered, the error and its reason come behind it."""

    def leave(wire: Wire) -> None:
        wire.send(b"word")
        wire.wait("reset")
        wire.reset()

    async with facing("client", peer, tls, leave) as (reader, writer, script):
        assert await reader.readexactly(1) == b"w"
        script.go("reset")
        await until(lambda: reader.exception() is not None)
        assert await reader.readexactly(3) == b"ord"
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        assert reader.eof_reason == "reset"
