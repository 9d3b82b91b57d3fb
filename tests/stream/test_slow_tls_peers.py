"""idle_timeout and deadline(min_rate=) over TLS (contract D2): records count by the data in them."""

import asyncio
import contextlib
import pathlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._connection.idle_timeout import IdleTimeout
from sluiceway._implementation import core
from sluiceway.stream.timing import RateDeadline
from support.certificates import Certificates
from support.key_updates import KeyUpdatingClient
from support.manual_clock import manual_clock
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, start_task, wait_until
from support.tls_connections import manual_tls_connection


@contextlib.asynccontextmanager
async def record_peer(
    raw_peers: RawPeers, tls: Certificates, directory: pathlib.Path
) -> AsyncIterator[tuple[sluiceway.Stream, RawPeer, KeyUpdatingClient]]:
    """Yield (stream, peer, records): the stream of a server, its peer, and the maker of the peer's records."""
    context = tls.new_client_context()
    context.keylog_filename = str(directory / "keys")
    async with manual_tls_connection("server", raw_peers, tls, peer_context=context) as (reader, writer, peer, manual):
        records = KeyUpdatingClient(manual.ssl_object, context.keylog_filename)
        yield sluiceway.Stream.from_pair(reader, writer), peer, records


async def send_and_wait(stream: sluiceway.Stream, peer: RawPeer, data: bytes) -> None:
    """Send ``data``, and wait until the stream has received it."""
    [connection] = stream._connections()
    before = connection.progress()
    peer.send(data)
    await wait_until(lambda: connection.progress() != before or stream.is_closing())


async def send_in_halves(
    stream: sluiceway.Stream, peer: RawPeer, record: bytes, advance_clock: Callable[[float], object]
) -> None:
    """Send ``record`` in two parts, and call ``advance_clock(10)`` after each."""
    for part in (record[:11], record[11:]):
        await send_and_wait(stream, peer, part)
        advance_clock(10)
        await run_iterations()


@pytest.mark.parametrize("kind", ["empty records", "key updates"])
async def test_records_without_data_do_not_prevent_the_idle_timeout(
    raw_peers: RawPeers, tls: Certificates, tmp_path: pathlib.Path, kind: str
) -> None:
    async with record_peer(raw_peers, tls, tmp_path) as (stream, peer, records):
        with manual_clock() as clock:
            stream.idle_timeout = 60
            reading = await start_task(stream.read_line())
            for _ in range(10):
                record = records.data(b"") if kind == "empty records" else records.key_update_requests(1)
                await send_in_halves(stream, peer, record, clock.advance)
                if reading.done():
                    break
            with pytest.raises(TimeoutError, match="no byte was received or sent for 60 s"):
                await reading


async def test_short_records_prevent_the_idle_timeout(
    raw_peers: RawPeers, tls: Certificates, tmp_path: pathlib.Path
) -> None:
    """A part of a record is longer than the data of the following records."""
    async with record_peer(raw_peers, tls, tmp_path) as (stream, peer, records):
        with manual_clock() as clock:
            stream.idle_timeout = 60
            reading = await start_task(stream.read_exactly(20))
            for _ in range(20):
                await send_in_halves(stream, peer, records.data(b"x"), clock.advance)
                clock.advance(30)
            assert await reading == b"x" * 20


async def test_min_rate_counts_the_data_of_records(
    raw_peers: RawPeers, tls: Certificates, tmp_path: pathlib.Path
) -> None:
    """A record of one byte has 23 bytes: enough for the rate, if they counted."""
    async with record_peer(raw_peers, tls, tmp_path) as (stream, peer, records):

        async def read() -> None:
            async with stream.deadline(60, min_rate=10):
                await stream.read_exactly(1000)

        with manual_clock() as clock:
            reading = await start_task(read())
            for _ in range(90):
                await send_and_wait(stream, peer, records.data(b"x"))
                clock.advance(1)
                await run_iterations()
                if reading.done():
                    break
            with pytest.raises(TimeoutError, match="fewer than min_rate=10 bytes per second"):
                await reading
        stream.abort()


async def start_inner_handshake(
    upgrade: Any, manual: ManualTLS, tls: Certificates
) -> tuple[asyncio.Task[None], ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """Start ``upgrade``, and return (task, inner, incoming, outgoing): the peer's inner TLS, whose flight waits."""
    task = await start_task(upgrade)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    inner = tls.server_context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(await asyncio.to_thread(manual.receive_some))
    with pytest.raises(ssl.SSLWantReadError):
        inner.do_handshake()
    return task, inner, incoming, outgoing


@pytest.mark.parametrize("limit", ["idle_timeout", "min_rate"])
async def test_handshake_of_tls_in_tls_counts(raw_peers: RawPeers, tls: Certificates, limit: str) -> None:
    """Fewer bytes than the first handshake had arrive in ten times the idle timeout, or the credit."""
    async with manual_tls_connection("client", raw_peers, tls) as (reader, writer, peer, manual):
        stream = sluiceway.Stream.from_pair(reader, writer)

        async def upgrade() -> None:
            async with stream.deadline(10, min_rate=10) if limit == "min_rate" else contextlib.nullcontext():
                await stream.start_tls(tls.client_context, server_hostname="localhost")

        with manual_clock() as clock:
            if limit == "idle_timeout":
                stream.idle_timeout = 10
            task, inner, incoming, outgoing = await start_inner_handshake(upgrade(), manual, tls)
            while (part := outgoing.read(50)) and not task.done():
                await send_and_wait(stream, peer, manual.encrypt(part))
                clock.advance(4)
            incoming.write(await asyncio.to_thread(manual.receive_some))
            inner.do_handshake()
            await task
        stream.abort()


async def test_incomplete_record_below_tls_in_tls_prevents_the_idle_timeout(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    async with manual_tls_connection("client", raw_peers, tls) as (reader, writer, peer, manual):
        stream = sluiceway.Stream.from_pair(reader, writer)
        task, inner, incoming, outgoing = await start_inner_handshake(
            stream.start_tls(tls.client_context, server_hostname="localhost"), manual, tls
        )
        peer.send(manual.encrypt(outgoing.read()))
        incoming.write(await asyncio.to_thread(manual.receive_some))
        inner.do_handshake()
        await task
        peer.send(manual.encrypt(outgoing.read()))  # the session tickets
        with manual_clock() as clock:
            stream.idle_timeout = 60
            reading = await start_task(stream.read_exactly(16000))
            inner.write(bytes(16000))
            record = manual.encrypt(outgoing.read())
            for start in range(0, len(record), 1000):
                await send_and_wait(stream, peer, record[start : start + 1000])
                clock.advance(10)
            assert await reading == bytes(16000)
        stream.abort()


async def test_answers_that_are_not_sent_do_not_prevent_the_idle_timeout() -> None:
    """Such as those to the key updates of a peer that reads nothing: they make the unsent data longer."""

    class Clogged:
        lost = False
        sent = 0

        def progress(self) -> tuple[int, int, int]:
            return 0, 0, self.sent

        def end_idle(self, seconds: float) -> None:
            self.lost = True

    connection = Clogged()
    with manual_clock() as clock:
        timeout = IdleTimeout(connection, core.timer_of(asyncio.get_running_loop()), 60)
        for _ in range(5):
            connection.sent -= 27
            clock.advance(20)
        assert connection.lost
        timeout.stop()


async def test_min_rate_counts_what_is_sent_although_unsent_data_has_become_longer() -> None:
    """As over TLS: in many short records, unsent data is several times as long as the program wrote it."""

    class Moved:
        sent = 0

        def _describe(self) -> str:
            return "a connection"

        def _moved_bytes(self) -> tuple[int, int]:
            return 0, self.sent

    moved = Moved()
    with manual_clock() as clock:
        async with RateDeadline(moved, 8, min_rate=10) as deadline:
            moved.sent -= 10_000
            for _ in range(20):
                moved.sent += 40
                clock.advance(2)
                await run_iterations()
        assert not deadline.expired()
