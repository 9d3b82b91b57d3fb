"""W3 over TLS: ``loop.sendfile`` by its fallback, which reads the file and writes it to the transport.

uvloop has no sendfile, for nobody's transports.
"""

import asyncio
import hashlib
import pathlib
import random
from typing import Any

import pytest

from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import start_task, wait_until
from support.tls_connections import TLS_ROLES, tls_connection

pytestmark = pytest.mark.loops("asyncio", "debug", "eager")

every_side = pytest.mark.parametrize("role", TLS_ROLES)

CONTENT = random.Random(3).randbytes(3 << 20)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("sendfile") / "file"
    path.write_bytes(CONTENT)
    return path


def receiving(count: int) -> Any:
    """A script that receives so much, sends close_notify and returns the digest of what came."""

    def receive(peer: RawPeer) -> str:
        data = peer.receive(count)
        peer.send(b"thanks")
        return hashlib.sha256(data).hexdigest()

    return receive


@every_side
async def test_a_file_between_two_writes(role: str, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates) -> None:
    """In the order of the calls; and the connection is as before."""
    whole = b"before" + CONTENT + b"behind"
    async with tls_connection(role, raw_peers, tls, receiving(len(whole))) as (reader, writer, script):
        reading = await start_task(reader.readexactly(6))
        protocol = writer.transport.get_protocol()
        writer.write(b"before")
        with path.open("rb") as file:
            assert await asyncio.get_running_loop().sendfile(writer.transport, file) == len(CONTENT)
            assert file.tell() == len(CONTENT)
        assert writer.transport.get_protocol() is protocol
        assert writer.transport.is_reading()
        writer.write(b"behind")
        await writer.drain()
        assert await reading == b"thanks"
        assert await script.finished() == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize(("offset", "count"), [(1000, 100_001), (len(CONTENT) - 10, None), (5, 1 << 30)])
async def test_a_part_of_it(
    offset: int, count: int | None, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates
) -> None:
    part = CONTENT[offset:] if count is None else CONTENT[offset : offset + count]
    async with tls_connection("server", raw_peers, tls, receiving(len(part) + 1)) as (reader, writer, script):
        with path.open("rb") as file:
            sent = await asyncio.get_running_loop().sendfile(writer.transport, file, offset, count)
            assert sent == len(part)
            assert file.tell() == offset + len(part)
        writer.write(b".")
        assert await reader.readexactly(6) == b"thanks"
        assert await script.finished() == hashlib.sha256(part + b".").hexdigest()


@every_side
async def test_there_is_no_other_way(role: str, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates) -> None:
    """The kernel cannot encrypt it: without the fallback that is an error, as on asyncio's own TLS, and nothing is
    sent. (SendfileNotAvailableError is a RuntimeError too.)"""
    async with tls_connection(role, raw_peers, tls, receiving(4)) as (reader, writer, script):
        with path.open("rb") as file:
            with pytest.raises(RuntimeError, match="fallback is disabled"):
                await asyncio.get_running_loop().sendfile(writer.transport, file, fallback=False)
            assert file.tell() == 0
        writer.write(b"goes")
        assert await reader.readexactly(6) == b"thanks"
        assert await script.finished() == hashlib.sha256(b"goes").hexdigest()


@every_side
async def test_a_peer_that_takes_its_time(
    role: str, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates
) -> None:
    """Flow control holds: no more than the high-water mark, and the piece that passed it, waits in memory."""
    times = 6  # more than the kernel takes for a peer that does not read

    def receive_late(peer: RawPeer) -> bytes:
        peer.wait_for("receive")
        return b"".join(peer.receive(len(CONTENT)) for _ in range(times))

    async def send(transport: Any) -> None:
        with path.open("rb") as file:
            for _ in range(times):
                file.seek(0)  # for an offset of 0 the fallback leaves it where it is
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


@pytest.mark.parametrize("how", ["reset", "close"])
@every_side
async def test_a_peer_that_goes_away_meanwhile(
    role: str, how: str, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates
) -> None:
    def leave(peer: RawPeer) -> None:
        peer.receive(100_000)
        getattr(peer, how)()

    async def send(transport: Any) -> None:
        with path.open("rb") as file:
            while True:
                file.seek(0)
                await asyncio.get_running_loop().sendfile(transport, file)

    async with tls_connection(role, raw_peers, tls, leave) as (reader, writer, script):
        with pytest.raises((ConnectionError, RuntimeError)):
            await asyncio.wait_for(send(writer.transport), 10)
        await script.finished()
        writer.close()
        try:
            await asyncio.wait_for(writer.wait_closed(), 10)
        except ConnectionError:
            pass
        assert reader.eof_reason is not None


@every_side
async def test_closed_already(role: str, path: pathlib.Path, raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection(role, raw_peers, tls, lambda peer: peer.receive_rest()) as (_, writer, script):
        writer.close()
        with path.open("rb") as file:
            with pytest.raises(RuntimeError, match="closing"):
                await asyncio.get_running_loop().sendfile(writer.transport, file)
        assert await script.finished() == b""
