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
from support.peer import Peers, Wire
from support.tls_sides import SIDES, facing
from support.turns import started, until

pytestmark = pytest.mark.loops("asyncio", "debug", "eager")

every_side = pytest.mark.parametrize("side", SIDES)

CONTENT = random.Random(3).randbytes(3 << 20)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("sendfile") / "file"
    path.write_bytes(CONTENT)
    return path


def receiving(count: int) -> Any:
    """A script that receives so much, says farewell and returns the digest of what came."""

    def receive(wire: Wire) -> str:
        data = wire.receive(count)
        wire.send(b"thanks")
        return hashlib.sha256(data).hexdigest()

    return receive


@every_side
async def test_a_file_between_two_writes(side: str, path: pathlib.Path, peer: Peers, tls: Certificates) -> None:
    """In the order of the calls; and the connection is as before."""
    whole = b"before" + CONTENT + b"behind"
    async with facing(side, peer, tls, receiving(len(whole))) as (reader, writer, script):
        reading = await started(reader.readexactly(6))
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
async def test_a_part_of_it(offset: int, count: int | None, path: pathlib.Path, peer: Peers, tls: Certificates) -> None:
    part = CONTENT[offset:] if count is None else CONTENT[offset : offset + count]
    async with facing("server", peer, tls, receiving(len(part) + 1)) as (reader, writer, script):
        with path.open("rb") as file:
            sent = await asyncio.get_running_loop().sendfile(writer.transport, file, offset, count)
            assert sent == len(part)
            assert file.tell() == offset + len(part)
        writer.write(b".")
        assert await reader.readexactly(6) == b"thanks"
        assert await script.finished() == hashlib.sha256(part + b".").hexdigest()


@every_side
async def test_there_is_no_other_way(side: str, path: pathlib.Path, peer: Peers, tls: Certificates) -> None:
    """The kernel cannot encrypt it: without the fallback that is an error, as on asyncio's own TLS, and nothing is
    sent. (SendfileNotAvailableError is a RuntimeError too.)"""
    async with facing(side, peer, tls, receiving(4)) as (reader, writer, script):
        with path.open("rb") as file:
            with pytest.raises(RuntimeError, match="fallback is disabled"):
                await asyncio.get_running_loop().sendfile(writer.transport, file, fallback=False)
            assert file.tell() == 0
        writer.write(b"goes")
        assert await reader.readexactly(6) == b"thanks"
        assert await script.finished() == hashlib.sha256(b"goes").hexdigest()


@every_side
async def test_a_peer_that_takes_its_time(side: str, path: pathlib.Path, peer: Peers, tls: Certificates) -> None:
    """Flow control holds: no more than the high-water mark, and the piece that passed it, waits in memory."""
    times = 6  # more than the kernel takes for a peer that does not read

    def receive_late(wire: Wire) -> bytes:
        wire.wait("receive")
        return b"".join(wire.receive(len(CONTENT)) for _ in range(times))

    async def send(transport: Any) -> None:
        with path.open("rb") as file:
            for _ in range(times):
                file.seek(0)  # for an offset of 0 the fallback leaves it where it is
                await asyncio.get_running_loop().sendfile(transport, file)

    async with facing(side, peer, tls, receive_late) as (_, writer, script):
        transport = writer.transport
        _, high = transport.get_write_buffer_limits()
        sending = asyncio.create_task(send(transport))
        await until(lambda: transport.get_write_buffer_size() > high)
        # loop.sendfile reads 16 KiB at a time; a record adds a few bytes.
        assert transport.get_write_buffer_size() < high + (32 << 10)
        assert not sending.done()
        script.go("receive")
        await sending
        assert await script.finished() == CONTENT * times


@pytest.mark.parametrize("how", ["reset", "close"])
@every_side
async def test_a_peer_that_goes_away_meanwhile(
    side: str, how: str, path: pathlib.Path, peer: Peers, tls: Certificates
) -> None:
    def leave(wire: Wire) -> None:
        wire.receive(100_000)
        getattr(wire, how)()

    async def send(transport: Any) -> None:
        with path.open("rb") as file:
            while True:
                file.seek(0)
                await asyncio.get_running_loop().sendfile(transport, file)

    async with facing(side, peer, tls, leave) as (reader, writer, script):
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
async def test_closed_already(side: str, path: pathlib.Path, peer: Peers, tls: Certificates) -> None:
    async with facing(side, peer, tls, lambda wire: wire.receive_rest()) as (_, writer, script):
        writer.close()
        with path.open("rb") as file:
            with pytest.raises(RuntimeError, match="closing"):
                await asyncio.get_running_loop().sendfile(writer.transport, file)
        assert await script.finished() == b""
