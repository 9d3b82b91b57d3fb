"""idle_timeout and deadline(min_rate=) over TLS (contract D2): records count by the data in them."""

import contextlib
import pathlib
from collections.abc import AsyncIterator, Callable

import pytest

import sluiceway
from support.certificates import Certificates
from support.key_updates import KeyUpdatingClient
from support.manual_clock import manual_clock
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, start_task
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


async def send_in_halves(peer: RawPeer, record: bytes, advance_clock: Callable[[float], object]) -> None:
    """Send ``record`` in two parts, and call ``advance_clock(10)`` after each."""
    for part in (record[:11], record[11:]):
        peer.send(part)
        await run_iterations()
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
                await send_in_halves(peer, record, clock.advance)
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
                await send_in_halves(peer, records.data(b"x"), clock.advance)
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
                peer.send(records.data(b"x"))
                await run_iterations()
                clock.advance(1)
                await run_iterations()
                if reading.done():
                    break
            with pytest.raises(TimeoutError, match="fewer than min_rate=10 bytes per second"):
                await reading
        stream.abort()
