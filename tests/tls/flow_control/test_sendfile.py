"""W3 over TLS: ``loop.sendfile()`` uses its fallback, which reads the file and writes to the transport.

uvloop does not implement sendfile().
"""

import asyncio
import contextlib
import hashlib
import pathlib
import random
import ssl
from typing import Any

import pytest

from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import start_task, wait_until
from support.tls_connections import TLS_SIDES, manual_tls_connection, tls_connection

pytestmark = pytest.mark.loops("asyncio", "debug", "eager")

each_role = pytest.mark.parametrize("role", TLS_SIDES)

CONTENT = random.Random(3).randbytes(3 << 20)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("sendfile") / "file"
    path.write_bytes(CONTENT)
    return path


def receive_and_answer(count: int) -> Any:
    """Return a script that receives ``count`` bytes, answers, and returns the digest of the data."""

    def receive(peer: RawPeer) -> str:
        data = peer.receive(count)
        peer.send(b"thanks")
        return hashlib.sha256(data).hexdigest()

    return receive


@each_role
async def test_file_is_sent_between_two_writes(
    role: str, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates
) -> None:
    """W3: in the order of the calls; protocol and reading state are unchanged afterwards."""
    whole = b"before" + CONTENT + b"after."
    async with tls_connection(role, raw_peers, tls, receive_and_answer(len(whole))) as (reader, writer, script):
        reading = await start_task(reader.readexactly(6))
        protocol = writer.transport.get_protocol()
        writer.write(b"before")
        with path.open("rb") as file:
            assert await asyncio.get_running_loop().sendfile(writer.transport, file) == len(CONTENT)
            assert file.tell() == len(CONTENT)
        assert writer.transport.get_protocol() is protocol
        assert writer.transport.is_reading()
        writer.write(b"after.")
        await writer.drain()
        assert await reading == b"thanks"
        assert await script.finished() == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize(("offset", "count"), [(1000, 100_001), (len(CONTENT) - 10, None), (5, 1 << 30)])
async def test_offset_and_count_select_a_part_of_the_file(
    offset: int, count: int | None, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates
) -> None:
    part = CONTENT[offset:] if count is None else CONTENT[offset : offset + count]
    async with tls_connection("server", raw_peers, tls, receive_and_answer(len(part) + 1)) as (reader, writer, script):
        with path.open("rb") as file:
            sent = await asyncio.get_running_loop().sendfile(writer.transport, file, offset, count)
            assert sent == len(part)
            assert file.tell() == offset + len(part)
        writer.write(b".")
        assert await reader.readexactly(6) == b"thanks"
        assert await script.finished() == hashlib.sha256(part + b".").hexdigest()


@each_role
async def test_sendfile_without_fallback_raises_runtime_error_and_sends_nothing(
    role: str, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates
) -> None:
    """W3: the kernel cannot encrypt the file; as on asyncio's TLS, the error is SendfileNotAvailableError."""
    async with tls_connection(role, raw_peers, tls, receive_and_answer(4)) as (reader, writer, script):
        with path.open("rb") as file:
            with pytest.raises(RuntimeError, match="fallback is disabled"):
                await asyncio.get_running_loop().sendfile(writer.transport, file, fallback=False)
            assert file.tell() == 0
        writer.write(b"goes")
        assert await reader.readexactly(6) == b"thanks"
        assert await script.finished() == hashlib.sha256(b"goes").hexdigest()


@each_role
async def test_sendfile_to_a_slow_peer_keeps_the_high_water_mark(
    role: str, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates
) -> None:
    """W3: at most the high-water mark and one piece of the file are pending."""
    times = 6  # more than the kernel accepts for a peer that does not read

    def receive_late(peer: RawPeer) -> bytes:
        peer.wait_for("receive")
        return b"".join(peer.receive(len(CONTENT)) for _ in range(times))

    async def send(transport: Any) -> None:
        with path.open("rb") as file:
            for _ in range(times):
                file.seek(0)  # the fallback does not seek for an offset of 0
                await asyncio.get_running_loop().sendfile(transport, file)

    async with tls_connection(role, raw_peers, tls, receive_late) as (_, writer, script):
        transport = writer.transport
        _, high = transport.get_write_buffer_limits()
        sending = asyncio.create_task(send(transport))
        await wait_until(lambda: transport.get_write_buffer_size() > high)
        # loop.sendfile reads 16 KiB at a time; a record adds a few bytes.
        assert transport.get_write_buffer_size() < high + (32 << 10)
        assert not sending.done()
        script.signal("receive")
        await sending
        assert await script.finished() == CONTENT * times


@pytest.mark.parametrize("end", ["reset", "close"])
@each_role
async def test_sendfile_to_a_peer_that_ends_raises(
    role: str, end: str, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates
) -> None:
    def leave(peer: RawPeer) -> None:
        peer.receive(100_000)
        getattr(peer, end)()

    async def send(transport: Any) -> None:
        with path.open("rb") as file:
            while True:
                file.seek(0)
                await asyncio.get_running_loop().sendfile(transport, file)

    async with tls_connection(role, raw_peers, tls, leave) as (reader, writer, script):
        with pytest.raises((ConnectionError, RuntimeError)):
            await send(writer.transport)
        await script.finished()
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass
        assert reader.eof_reason is not None


@pytest.mark.parametrize("strict_eof", [False, True])
@each_role
async def test_sendfile_that_starts_before_the_report_of_a_truncation_fails_without_a_second_report(
    role: str, strict_eof: bool, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates
) -> None:
    """The protocol of loop.sendfile() raises RuntimeError in eof_received(), which asyncio's TLS does not call."""
    async with manual_tls_connection(role, raw_peers, tls, strict_eof=strict_eof) as (reader, writer, peer, manual_tls):
        peer.send(manual_tls.encrypt(b"go"))
        peer.half_close()
        assert await reader.readexactly(2) == b"go"
        # The end is reported to the protocol one iteration after it has arrived.
        while not writer.transport._close.lower_ended:
            await asyncio.sleep(0)
        peer.reset()
        with path.open("rb") as file:
            with pytest.raises((ConnectionError, ssl.SSLEOFError)):
                await asyncio.get_running_loop().sendfile(writer.transport, file)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            await writer.wait_closed()
        assert reader.eof_reason is not None


@each_role
async def test_sendfile_on_a_closing_transport_raises_runtime_error(
    role: str, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with tls_connection(role, raw_peers, tls, lambda peer: peer.receive_rest()) as (_, writer, script):
        writer.close()
        with path.open("rb") as file:
            with pytest.raises(RuntimeError, match="closing"):
                await asyncio.get_running_loop().sendfile(writer.transport, file)
        assert await script.finished() == b""
