"""R1 on real connections: reads that time out again and again while the peer sends, and every byte in order."""

import asyncio
import random
import types
from typing import Any

import pytest

from support.connections import connected_pair
from support.retried_reads import retry_cancelled
from support.scheduling import run_iterations

LINES = [b"%d %s\n" % (number, b"x" * (number * 37 % 500)) for number in range(400)]
DATA = b"".join(LINES)


async def send_in_pieces(writer: Any, data: bytes) -> None:
    choose = random.Random(7)
    at = 0
    while at < len(data):
        size = choose.choice([1, 2, 100, 1400, 5000])
        writer.write(data[at : at + size])
        at += size
        await writer.drain()
        await run_iterations(2)
    writer.write_eof() if writer.can_write_eof() else writer.close()


SECURE = pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])


def options(tls: Any, secure: bool) -> dict[str, Any]:
    if not secure:
        return {"client": {"limit": 2000}}
    return {
        "server": {"ssl": tls.server_context},
        "client": {"limit": 2000, "ssl": tls.client_context, "server_hostname": "localhost"},
    }


@SECURE
async def test_lines(streams: types.ModuleType, tls: Any, secure: bool) -> None:
    async with connected_pair(streams, **options(tls, secure)) as ((reader, _), (_, far)):
        sending = asyncio.create_task(send_in_pieces(far, DATA))
        for line in LINES:
            assert await retry_cancelled(reader.readline) == line
        assert await retry_cancelled(reader.readline) == b""
        await sending


@SECURE
async def test_frames(streams: types.ModuleType, tls: Any, secure: bool) -> None:
    async with connected_pair(streams, **options(tls, secure)) as ((reader, _), (_, far)):
        sending = asyncio.create_task(send_in_pieces(far, DATA))
        got = b""
        for size in (1, 3000, 10, 20_000, 7):
            got += await retry_cancelled(lambda size=size: reader.readexactly(size))
        got += await retry_cancelled(lambda: reader.readuntil(b"\n"))
        got += await retry_cancelled(lambda: reader.read(1000))
        assert DATA.startswith(got)
        while part := await retry_cancelled(lambda: reader.read(1000)):
            got += part
        assert got == DATA
        await sending


@pytest.mark.reference_fails("R1", "read(-1) loses what it has")
@SECURE
async def test_everything(streams: types.ModuleType, tls: Any, secure: bool) -> None:
    async with connected_pair(streams, **options(tls, secure)) as ((reader, _), (_, far)):
        sending = asyncio.create_task(send_in_pieces(far, DATA))
        try:
            assert await retry_cancelled(reader.read) == DATA
        finally:
            await sending


@pytest.mark.reference_fails("R1", "read(-1) loses what it has")
async def test_wait_for_and_timeout(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as ((reader, _), (_, far)):
        far.write(b"part")
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(), 0.01)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await reader.readline()
        far.write(b" and rest\n")
        far.write_eof()
        assert await reader.read() == b"part and rest\n"
