"""Stream.deadline() and idle_timeout (contract D2), by a controlled clock."""

import asyncio
import contextlib
import gc
import io
import os
import warnings
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sluiceway
from sluiceway._constants import IDLE_CHECKS, RATE_CHECKS, TIMEOUT_RESOLUTION
from stream.streams import PAYLOAD, peer_stream
from support.certificates import Certificates
from support.connections import close_discarding
from support.manual_clock import manual_clock
from support.manual_tls import ManualTLS
from support.non_reading_peer import receive_until_progress, shrink_kernel_buffers
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, start_task, wait_until
from support.tls_connections import manual_tls_connection

# An idle timeout of 60 s ends between these times.
LATEST = 60 * (1 + 1 / IDLE_CHECKS) + (IDLE_CHECKS + 1) * TIMEOUT_RESOLUTION


@contextlib.asynccontextmanager
async def slowly_read_stream(raw_peers: RawPeers) -> AsyncIterator[tuple[sluiceway.Stream, RawPeer]]:
    """Yield (stream, peer). PAYLOAD is written, and the kernel accepts little of it at a time."""
    async with peer_stream(raw_peers) as (stream, peer):
        shrink_kernel_buffers(stream.writer, peer)
        stream.writer.write(PAYLOAD)
        yield stream, peer


async def test_deadline_covers_all_operations_of_its_block(raw_peers: RawPeers) -> None:
    """D2: the time is not started again by each operation, and what was read before is kept."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(b"one\ntw")
        lines = []

        async def read() -> None:
            async with stream.deadline(10):
                lines.append(await stream.read_line())
                lines.append(await stream.read_line())

        with manual_clock() as clock:
            reading = await start_task(read())
            while not lines:
                await run_iterations()
            clock.advance(9)
            await run_iterations()
            assert not reading.done()
            clock.advance(1 + TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError, match=r"^deadline timed out after 10 s: connection .* -> 127\.0\.0\.1:"):
                await reading
        peer.send(b"o\n")
        assert await stream.read_line() == b"two\n"


@pytest.mark.parametrize("min_rate", [None, 1000])
async def test_deadline_whose_cancellation_was_interrupted_expires(raw_peers: RawPeers, min_rate: float | None) -> None:
    """An interrupt may prevent the call of the loop that cancels the block."""
    async with peer_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:
            deadline = stream.deadline(5, min_rate=min_rate)

            async def read() -> None:
                async with deadline:
                    await stream.read_line()

            reading = await start_task(read())
            clock.advance(6)
            deadline._timeout._timeout_handler.cancel()  # type: ignore[attr-defined]
            await run_iterations()
            assert not reading.done()
            clock.advance(TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError, match="deadline timed out"):
                await reading
            clock.advance(1)
            assert clock.scheduled == []


@pytest.mark.parametrize("min_rate", [None, 1000])
async def test_block_may_continue_after_its_cancellation(raw_peers: RawPeers, min_rate: float | None) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:

            async def read() -> None:
                async with stream.deadline(5, min_rate=min_rate):
                    try:
                        await stream.read_line()
                    finally:
                        clock.advance(60)

            reading = await start_task(read())
            clock.advance(6)
            with pytest.raises(TimeoutError, match="deadline timed out"):
                await reading
            clock.advance(60)
            assert clock.scheduled == []


async def test_deadline_that_is_not_reached_has_no_effect(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            peer.send(b"line\n")
            async with stream.deadline(10) as deadline:
                assert await stream.read_line() == b"line\n"
            clock.advance(100)
            await run_iterations()
            assert not deadline.expired()
            assert clock.scheduled == []


async def test_cancellation_inside_a_deadline_stays_a_cancellation(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, _):

        async def read() -> None:
            async with stream.deadline(10):
                await stream.read_line()

        reading = await start_task(read())
        reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()


async def test_first_of_nested_deadlines_counts(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        expired: list[Any] = []

        async def read() -> None:
            async with stream.deadline(5) as outer:
                async with stream.deadline(50) as inner:
                    expired.extend((outer, inner))
                    await stream.read_line()

        with manual_clock() as clock:
            reading = await start_task(read())
            clock.advance(5 + TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError, match="5 s"):
                await reading
        assert [deadline.expired() for deadline in expired] == [True, False]


@pytest.mark.parametrize("seconds", [0, -2, "5", None])
async def test_invalid_deadline_raises_at_the_call(raw_peers: RawPeers, seconds: Any) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        with pytest.raises((ValueError, TypeError), match=r"^deadline\(\): seconds argument must be .*, not "):
            stream.deadline(seconds)


# -- min_rate ---------------------------------------------------------------------------------------------------------


async def _read_to_the_end(stream: sluiceway.Stream, seconds: float, min_rate: float) -> int:
    size = 0
    async with stream.deadline(seconds, min_rate=min_rate):
        while data := await stream.read():
            size += len(data)
    return size


@pytest.mark.parametrize(("rate", "ends"), [(100, False), (300, False), (50, True), (0, True)])
async def test_deadline_with_min_rate_ends_the_block_of_a_slower_peer_only(
    raw_peers: RawPeers, rate: int, ends: bool
) -> None:
    """D2: the peer sends ``rate`` bytes per second for 100 seconds; ``min_rate`` is 100, with 20 seconds of credit."""
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            reading = await start_task(_read_to_the_end(stream, 20, 100))
            for step in range(1, 41):
                if rate:
                    peer.send(bytes(rate * 5 // 2))
                    await wait_until(lambda step=step: stream.stats.bytes_received >= step * rate * 5 // 2)
                clock.advance(2.5)
                await run_iterations()
                if reading.done():
                    break
            assert reading.done() is ends
            if ends:
                with pytest.raises(
                    TimeoutError,
                    match=r"fewer than min_rate=100 bytes per second for too long \(seconds=20\): c",
                ):
                    await reading
                # The credit of a peer with half the rate lasts twice as long.
                expected = 20 if not rate else 40
                assert expected <= step * 2.5 <= expected + 20 / RATE_CHECKS + 2.5
            else:
                peer.half_close()
                assert await reading == 100 * rate


async def test_bytes_of_the_past_do_not_pay_for_a_stall(raw_peers: RawPeers) -> None:
    """D2: the credit never exceeds its seconds, and bytes that the kernel accepts count too."""
    async with slowly_read_stream(raw_peers) as (stream, peer):

        async def flush() -> None:
            async with stream.deadline(20, min_rate=1):
                await stream.flush()

        with manual_clock() as clock:
            flushing = await start_task(flush())
            await receive_until_progress(stream.writer, peer, bytearray())
            clock.advance(20)
            await run_iterations()
            assert not flushing.done()
            clock.advance(20)
            with pytest.raises(TimeoutError, match="min_rate=1 "):
                await flushing


async def test_least_seconds_and_min_rate_that_a_float_can_hold_limit_the_block(raw_peers: RawPeers) -> None:
    """The argument is greater than 0, but a quarter of it is not."""
    async with peer_stream(raw_peers) as (stream, _):

        async def read() -> None:
            async with stream.deadline(5e-324, min_rate=5e-324):
                await stream.read_line()

        with manual_clock() as clock:
            reading = await start_task(read())
            clock.advance(TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError, match=r"for too long \(seconds=4\.94066e-324\)"):
                await reading


@pytest.mark.parametrize("min_rate", [0, -1, "5", True, float("inf"), float("nan")])
async def test_invalid_min_rate_raises_at_the_call(raw_peers: RawPeers, min_rate: Any) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        with pytest.raises((ValueError, TypeError), match=r"deadline\(\): min_rate must be"):
            stream.deadline(5, min_rate=min_rate)


# -- idle_timeout -----------------------------------------------------------------------------------------------------


async def test_idle_connection_is_aborted_and_its_reads_raise(raw_peers: RawPeers) -> None:
    """D2, R8: what had arrived is delivered first."""
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            peer.send(b"one\ntwo")
            assert await stream.read_line() == b"one\n"
            stream.idle_timeout = 60
            assert stream.idle_timeout == 60
            reading = await start_task(stream.read_line())
            clock.advance(60)
            await run_iterations()
            assert not reading.done()
            clock.advance(LATEST - 60)
            with pytest.raises(TimeoutError, match=r"idle_timeout: .* for 60 s: connection .* -> 127\.0\.0\.1:"):
                await reading
        assert await stream.read(10) == b"two"
        with pytest.raises(TimeoutError):
            await stream.read(10)
        with pytest.raises(TimeoutError):
            await stream.send(b"late")
        assert stream.eof_reason == "idle timeout"
        assert await stream.aclose() == sluiceway.CloseInfo(True, 0, None, "idle timeout")
        assert peer.receive_rest() == b""


async def test_idle_time_begins_at_the_last_byte(raw_peers: RawPeers) -> None:
    """D2: a byte just after a check; the connection ends a quarter of the time late at most."""
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            stream.idle_timeout = 60
            clock.advance(1)
            peer.send(b"x")
            assert await stream.read(1) == b"x"
            reading = await start_task(stream.read(1))
            clock.advance(LATEST)
            with pytest.raises(TimeoutError):
                await reading


async def test_least_idle_timeout_that_a_float_can_hold_aborts(raw_peers: RawPeers) -> None:
    """The argument is greater than 0, but a quarter of it is not."""
    async with peer_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:
            stream.idle_timeout = 5e-324
            reading = await start_task(stream.read(1))
            clock.advance((IDLE_CHECKS + 1) * TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError, match=r"for 4\.94066e-324 s"):
                await reading


async def test_idle_timeout_after_the_end_of_input_leaves_the_input_complete(raw_peers: RawPeers) -> None:
    """D2, R8."""
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            peer.send(b"all")
            peer.half_close()
            assert await stream.read_all() == b"all"
            stream.idle_timeout = 60
            clock.advance(LATEST)
            await wait_until(lambda: stream.is_closing())
            with pytest.raises(TimeoutError, match="idle_timeout: "):
                await stream.send(b"late")
        assert await stream.read(1) == b""
        assert stream.eof_reason == "clean"


async def test_idle_timeout_of_two_connections_raises() -> None:
    """Only one of them would be aborted, though the other one is in use."""
    read_end, write_end = os.pipe()
    async with sluiceway.pipe(read_end) as reading, sluiceway.pipe(write_end) as writing:
        both = sluiceway.Stream.from_pair(reading.reader, writing.writer)
        fed = sluiceway.Stream.from_pair(sluiceway.StreamReader(), None)
        for stream, fault in ((both, "and writer do not share one"), (fed, "has no")):
            expected = f"^idle_timeout is not available for <Stream .*>, whose reader {fault} connection"
            with pytest.raises(io.UnsupportedOperation, match=expected):
                stream.idle_timeout = 60
            stream.idle_timeout = None
        with pytest.raises(io.UnsupportedOperation):
            sluiceway.Stream.from_pair(reading.reader, writing.writer, idle_timeout=60)
        reading.idle_timeout = 60
        assert reading.idle_timeout == 60


@pytest.mark.parametrize("direction", ["received", "sent"])
async def test_bytes_in_either_direction_keep_a_connection(raw_peers: RawPeers, direction: str) -> None:
    """D2: bytes that a slow peer accepts count too, when nothing is sent or received by the program."""
    async with slowly_read_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            stream.idle_timeout = 60
            for number in (1, 2):
                clock.advance(45)
                if direction == "received":
                    peer.send(b"x")
                    await wait_until(lambda number=number: stream.stats.bytes_received == number)
                else:
                    await receive_until_progress(stream.writer, peer, bytearray())
            assert not stream.writer.is_closing()


@pytest.mark.parametrize("encrypted", [False, True])
async def test_bytes_that_a_close_discards_count(raw_peers: RawPeers, tls: Certificates, encrypted: bool) -> None:
    """D2, X2: an abort of the idle connection would send a reset, which may destroy the answer."""
    async with contextlib.AsyncExitStack() as stack:
        if encrypted:
            opened = await stack.enter_async_context(manual_tls_connection("server", raw_peers, tls))
            stream, peer, send = sluiceway.Stream.from_pair(opened[0], opened[1]), opened[2], opened[3].send
        else:
            stream, peer = await stack.enter_async_context(peer_stream(raw_peers))
            send = peer.send

        async def close() -> sluiceway.CloseInfo:
            async with stream.deadline(60, min_rate=1):
                return await stream.aclose(linger=3600)

        with manual_clock() as clock:
            stream.idle_timeout = 60
            closing = await start_task(close())
            for number in range(1, 4):
                clock.advance(45)
                send(bytes(100))
                await wait_until(lambda number=number: stream.stats.bytes_received == 100 * number or closing.done())
            peer.half_close()
            assert (await closing).reason == "closed"


async def test_parts_of_a_tls_handshake_and_of_a_record_count_as_they_arrive(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    """D2: a record of 16 KiB takes a slow peer longer than many an idle timeout."""
    async with peer_stream(raw_peers) as (stream, peer):
        manual_tls = ManualTLS(peer, tls.client_context, server_hostname="localhost")

        async def read() -> bytes:
            stream.idle_timeout = 60
            async with stream.deadline(60, min_rate=1):
                peer.send(b"STARTTLS\n")
                assert await stream.read_line() == b"STARTTLS\n"
                await stream.start_tls(tls.server_context, server_side=True)
                return await stream.read_exactly(1000)

        async def send_slowly(data: bytes, parts: int) -> None:
            size = -(-len(data) // parts)
            for start in range(0, len(data), size):
                clock.advance(45)
                peer.send(data[start : start + size])
                await run_iterations()

        with manual_clock() as clock:
            reading = await start_task(read())
            await send_slowly(manual_tls.first_flight(), 3)
            await peer.in_thread(manual_tls.do_handshake)
            await send_slowly(manual_tls.encrypt(bytes(1000)), 4)
            assert await reading == bytes(1000)
        stream.abort()


async def test_idle_timeout_during_start_tls_is_raised_by_it(raw_peers: RawPeers, tls: Certificates) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:
            stream.idle_timeout = 60
            upgrading = await start_task(stream.start_tls(tls.server_context, server_side=True))
            clock.advance(LATEST)
            with pytest.raises(TimeoutError, match="idle_timeout: no byte was received or sent for 60 s: connection"):
                await upgrading
        assert await stream.aclose() == sluiceway.CloseInfo(True, 0, None, "idle timeout")
        assert stream.eof_reason == "idle timeout"
        with pytest.raises(TimeoutError):
            await stream.send(b"late")


async def test_idle_timeout_can_be_changed_and_removed(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:
            stream.idle_timeout = 5
            stream.idle_timeout = 60
            clock.advance(59)
            stream.idle_timeout = None
            assert clock.scheduled
            clock.advance(1000)
            await run_iterations()
            assert not stream.writer.is_closing()
            assert clock.scheduled == []


@pytest.mark.parametrize("seconds", [0, -1, "5"])
async def test_invalid_idle_timeout_raises_and_changes_nothing(raw_peers: RawPeers, seconds: Any) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        stream.idle_timeout = 60
        with pytest.raises((ValueError, TypeError), match="idle_timeout"):
            stream.idle_timeout = seconds
        assert stream.idle_timeout == 60
        await stream.aclose()


async def test_time_limits_keep_no_dropped_stream_alive(raw_peers: RawPeers) -> None:
    """D1, D2: a dropped stream is closed with its warning, although its limits have not passed."""
    with manual_clock() as clock:
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address)
        stream = sluiceway.Stream.from_pair(reader, writer)
        listener.accept().send(b"line\n")
        stream.idle_timeout = 3600
        async with stream.deadline(3600):
            assert await stream.read_line() == b"line\n"
        clock.advance(1)
        reference = weakref.ref(stream)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            del reader, writer, stream
            gc.collect()
            # On the engine, the receive that woke this task refers to the receiver until the task waits.
            await run_iterations()
        assert reference() is None
        assert "unclosed <StreamWriter" in str(warned[-1].message)


async def test_idle_timeout_is_an_argument_of_connect_and_from_pair(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    with manual_clock() as clock:
        async with sluiceway.connect(f"tcp://127.0.0.1:{listener.port}", idle_timeout=60) as stream:
            assert stream.idle_timeout == 60
            same = sluiceway.Stream.from_pair(stream.reader, stream.writer, idle_timeout=5)
            assert stream.idle_timeout == same.idle_timeout == 5
            reading = await start_task(stream.read(1))
            clock.advance(LATEST)
            with pytest.raises(TimeoutError, match="for 5 s"):
                await reading
    for call in (
        lambda: sluiceway.connect(f"tcp://127.0.0.1:{listener.port}", idle_timeout=0),
        lambda: sluiceway.Stream.from_pair(stream.reader, stream.writer, idle_timeout=0),
    ):
        with pytest.raises(ValueError, match="idle_timeout"):
            call()


async def test_idle_timeout_of_a_closed_stream_is_not_running(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:
            stream.idle_timeout = 60
            await close_discarding(stream.writer)
            clock.advance(1)
            assert clock.scheduled == []
            stream.idle_timeout = 60
            assert clock.scheduled == []
