"""``timeout=`` of the reads of a Stream (contract D1), by a controlled clock."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._constants import TIMEOUT_RESOLUTION
from stream.streams import peer_stream, stream_pair
from support.manual_clock import manual_clock
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, start_task, wait_until
from support.tls_connections import tls_connection

Read = Callable[..., Any]


async def _next_line(stream: sluiceway.Stream, timeout: float | None = None) -> Any:
    return await anext(aiter(stream.lines(timeout=timeout)))


async def _next_frame(stream: sluiceway.Stream, timeout: float | None = None) -> Any:
    return await anext(aiter(stream.frames(length_bytes=1, timeout=timeout)))


# Each read waits after b"\x05ab" has arrived; b"c\nd" completes it.
READS: dict[str, tuple[Read, bytes]] = {
    "read_line": (lambda stream, **limit: stream.read_line(**limit), b"\x05abc\n"),
    "read_exactly": (lambda stream, **limit: stream.read_exactly(6, **limit), b"\x05abc\nd"),
    "read_until": (lambda stream, **limit: stream.read_until(b"c\n", **limit), b"\x05abc\n"),
    "peek": (lambda stream, **limit: stream.peek(5, **limit), b"\x05abc\n"),
    "lines": (_next_line, b"\x05abc\n"),
    "frames": (_next_frame, b"abc\nd"),
}


@pytest.mark.parametrize("operation", READS)
async def test_read_times_out_and_takes_nothing(raw_peers: RawPeers, operation: str) -> None:
    """D1, R1: never early, with a message that names the operation, the peer and the seconds."""
    read, result = READS[operation]
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(b"\x05ab")
        await wait_until(lambda: stream.stats.unread_bytes == 3)
        with manual_clock() as clock:
            for _ in range(2):
                reading = await start_task(read(stream, timeout=5))
                clock.advance(4.99)
                await run_iterations()
                assert not reading.done()
                clock.advance(0.01 + TIMEOUT_RESOLUTION)
                with pytest.raises(TimeoutError, match=rf"^{operation}\(\) timed out after 5 s: connection .*:\d+$"):
                    await reading
            reading = await start_task(read(stream, timeout=30))
            peer.send(b"c\nd")
            assert await reading == result


async def test_skip_that_times_out_drops_the_rest_later(raw_peers: RawPeers) -> None:
    """D1: as after a cancellation."""
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            peer.send(b"ab")
            skipping = await start_task(stream.skip(4, timeout=5))
            await wait_until(lambda: stream.stats.bytes_received == 2)
            clock.advance(5 + TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError, match="skip"):
                await skipping
            peer.send(b"cdrest\n")
            assert await stream.read_line() == b"rest\n"


async def test_timeout_limits_the_whole_read_and_not_each_arrival(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            reading = await start_task(stream.read_line(timeout=5))
            for received in range(1, 5):
                clock.advance(1)
                peer.send(b"x")
                await wait_until(lambda received=received: stream.stats.bytes_received == received)
            # A read that was woken by the last byte would time out at the next run of the timer.
            await run_iterations()
            assert not reading.done()
            clock.advance(1 + TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError):
                await reading


@pytest.mark.parametrize("arrived", [b"line\n", b"part"])
async def test_data_that_arrives_with_the_timeout_is_read_or_kept(raw_peers: RawPeers, arrived: bytes) -> None:
    """D1: a read that has been woken ends with its data; one that must wait again times out after all."""
    async with peer_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:
            reading = await start_task(stream.read_line(timeout=5))
            # feed_data() wakes the task in the next iteration, and the timeout comes before.
            stream.reader.feed_data(arrived)
            clock.advance(5 + TIMEOUT_RESOLUTION)
            await run_iterations()
            clock.advance(TIMEOUT_RESOLUTION)
            if arrived == b"line\n":
                assert await reading == arrived
            else:
                with pytest.raises(TimeoutError):
                    await reading
                assert await stream.read(10) == arrived


async def test_second_read_raises_and_leaves_the_time_of_the_first(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:
            reading = await start_task(stream.read_line(timeout=5))
            for second in (stream.read(1, timeout=1), _next_line(stream, 1), stream.read(1)):
                with pytest.raises(RuntimeError, match="already waiting"):
                    await second
            clock.advance(5 + TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError, match="read_line"):
                await reading


async def test_timeout_of_a_read_that_yields_to_the_loop(raw_peers: RawPeers) -> None:
    """The read that has used up its budget waits for the loop, and has its data."""
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock():
            peer.send(b"x\n" * 1000)
            for _ in range(1000):
                assert await stream.read_line(timeout=5) == b"x\n"


@pytest.mark.parametrize("seconds", [0, -1, "5"])
async def test_invalid_timeout_raises_and_takes_nothing(raw_peers: RawPeers, seconds: Any) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(b"\x05abc\nd")
        await wait_until(lambda: stream.stats.unread_bytes == 6)
        for read, _ in READS.values():
            with pytest.raises((ValueError, TypeError), match="timeout "):
                await read(stream, timeout=seconds)
        assert await stream.read(10) == b"\x05abc\nd"


async def test_timeout_over_tls_keeps_the_connection(raw_peers: RawPeers, tls: Any) -> None:
    def answer(peer: RawPeer) -> None:
        peer.wait_for()
        peer.send(b"line\n")
        peer.receive_rest()

    async with tls_connection("client", raw_peers, tls, answer) as (reader, writer, script):
        stream = sluiceway.Stream.from_pair(reader, writer)
        with manual_clock() as clock:
            reading = await start_task(stream.read_line(timeout=5))
            clock.advance(5 + TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError):
                await reading
        script.signal()
        assert await stream.read_line() == b"line\n"
        await stream.aclose()


async def test_cancelled_read_with_a_timeout_stops_the_timer() -> None:
    async with stream_pair() as (one, _):
        with manual_clock() as clock:
            reading = await start_task(one.read_line(timeout=5))
            reading.cancel()
            await asyncio.wait([reading])
            clock.advance(TIMEOUT_RESOLUTION)
            assert clock.scheduled == []
