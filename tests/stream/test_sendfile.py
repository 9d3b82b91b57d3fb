"""Stream.sendfile(): by the kernel, by the portable way, and over TLS (contract W3)."""

import asyncio
import io
import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._constants import TIMEOUT_RESOLUTION
from stream.streams import PAYLOAD, peer_stream
from support.manual_clock import manual_clock
from support.raw_peer import RawPeers
from support.scheduling import start_task, wait_until
from support.tls_connections import tls_connection


@pytest.fixture
def payload_file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "payload"
    path.write_bytes(PAYLOAD)
    return path


@pytest.fixture(params=["kernel", "unsupported", "absent", "memory"])
def opened(request: pytest.FixtureRequest, payload_file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file with PAYLOAD: copied by the kernel, or in the portable way for each reason."""
    if request.param == "absent":
        monkeypatch.delattr(os, "sendfile")
    if request.param == "unsupported":
        monkeypatch.setattr(os, "sendfile", _unsupported)
    if request.param == "memory":
        yield io.BytesIO(PAYLOAD)
        return
    with payload_file.open("rb") as file:
        yield file


def _unsupported(*_: int) -> int:
    raise OSError(22, "Invalid argument")


async def test_slow_peer_receives_the_whole_file_after_what_was_sent(raw_peers: RawPeers, opened: Any) -> None:
    """W3: in order with send(), although the kernel's buffer is full in between."""
    async with peer_stream(raw_peers) as (stream, peer):
        before = await start_task(stream.send(PAYLOAD[:3_000_000]))
        sending = await start_task(stream.sendfile(opened))
        assert await peer.in_thread(peer.receive, 3_000_000) == PAYLOAD[:3_000_000]
        assert await peer.in_thread(peer.receive, len(PAYLOAD)) == PAYLOAD
        assert await sending == len(PAYLOAD)
        await before
        assert stream.stats.bytes_sent == len(PAYLOAD) + 3_000_000
        await stream.send(b"after")
        assert peer.receive(5) == b"after"


@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [
        (0, 10, PAYLOAD[:10]),
        (1000, 300_000, PAYLOAD[1000:301_000]),
        (len(PAYLOAD) - 5, None, PAYLOAD[-5:]),
        (len(PAYLOAD) - 5, 100, PAYLOAD[-5:]),
        (len(PAYLOAD) + 1, None, b""),
        (3, 0, b""),
    ],
)
async def test_part_of_a_file_is_sent_and_counted(
    raw_peers: RawPeers, opened: Any, offset: int, count: int | None, expected: bytes
) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        assert await stream.sendfile(opened, offset, count) == len(expected)
        await stream.aclose()
        assert await peer.in_thread(peer.receive_rest) == expected


async def test_file_is_sent_over_tls(raw_peers: RawPeers, tls: Any, payload_file: pathlib.Path) -> None:
    async with tls_connection("client", raw_peers, tls, lambda peer: peer.receive(len(PAYLOAD))) as (
        reader,
        writer,
        script,
    ):
        stream = sluiceway.Stream.from_pair(reader, writer)
        with payload_file.open("rb") as file:
            assert await stream.sendfile(file) == len(PAYLOAD)
        assert await script.finished() == PAYLOAD


@pytest.mark.parametrize("end", ["cancellation", "timeout"])
async def test_interrupted_sendfile_leaves_the_beginning(raw_peers: RawPeers, opened: Any, end: str) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            sending = await start_task(stream.sendfile(opened, timeout=5))
            await wait_until(lambda: stream.stats.unsent_bytes)
            if end == "cancellation":
                sending.cancel()
            else:
                clock.advance(5 + TIMEOUT_RESOLUTION)
            await asyncio.wait([sending])
            if end == "timeout":
                with pytest.raises(TimeoutError, match=r"sendfile\(\) timed out after 5 s"):
                    await sending
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await stream.aclose()
        received = await receiving
        assert received == PAYLOAD[: len(received)]
        assert stream.stats.bytes_sent == len(received)


async def test_lost_peer_ends_sendfile(raw_peers: RawPeers, opened: Any) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        sending = await start_task(stream.sendfile(opened))
        await wait_until(lambda: stream.stats.unsent_bytes)
        peer.reset()
        with pytest.raises(ConnectionError):
            await sending


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (lambda path: (path.open("r"),), ValueError),
        (lambda path: (path.open("rb"), -1), ValueError),
        (lambda path: (path.open("rb"), 0, -1), ValueError),
        (lambda path: (path.open("rb"), 1.5), TypeError),
        (lambda path: (path.open("rb"), 0, "10"), TypeError),
    ],
)
async def test_invalid_arguments_raise_and_send_nothing(
    raw_peers: RawPeers,
    payload_file: pathlib.Path,
    arguments: Callable[[pathlib.Path], tuple[Any, ...]],
    error: type[Exception],
) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        given = arguments(payload_file)
        with given[0], pytest.raises(error, match=r"^sendfile\(\): (file|offset|count) must be .*, not "):
            await stream.sendfile(*given)
        await stream.send(b"on")
        assert peer.receive(2) == b"on"
