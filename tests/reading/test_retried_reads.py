"""R1: reads that are cancelled and retried on a real connection return every byte in order."""

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
    position = 0
    while position < len(data):
        size = choose.choice([1, 2, 100, 1400, 5000])
        writer.write(data[position : position + size])
        position += size
        await writer.drain()
        await run_iterations(2)
    writer.write_eof() if writer.can_write_eof() else writer.close()


tcp_and_tls = pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])


def options(tls: Any, secure: bool) -> dict[str, Any]:
    if not secure:
        return {"client": {"limit": 2000}}
    return {
        "server": {"ssl": tls.server_context},
        "client": {"limit": 2000, "ssl": tls.client_context, "server_hostname": "localhost"},
    }


@tcp_and_tls
async def test_cancelled_and_retried_readline_returns_every_line(
    streams: types.ModuleType, tls: Any, secure: bool
) -> None:
    async with connected_pair(streams, **options(tls, secure)) as ((reader, _), (_, far)):
        sending = asyncio.create_task(send_in_pieces(far, DATA))
        for line in LINES:
            assert await retry_cancelled(reader.readline) == line
        assert await retry_cancelled(reader.readline) == b""
        await sending


@tcp_and_tls
async def test_cancelled_and_retried_reads_by_size_return_every_byte(
    streams: types.ModuleType, tls: Any, secure: bool
) -> None:
    async with connected_pair(streams, **options(tls, secure)) as ((reader, _), (_, far)):
        sending = asyncio.create_task(send_in_pieces(far, DATA))
        received = b""
        for size in (1, 3000, 10, 20_000, 7):
            received += await retry_cancelled(lambda size=size: reader.readexactly(size))
        received += await retry_cancelled(lambda: reader.readuntil(b"\n"))
        received += await retry_cancelled(lambda: reader.read(1000))
        assert DATA.startswith(received)
        while part := await retry_cancelled(lambda: reader.read(1000)):
            received += part
        assert received == DATA
        await sending


@pytest.mark.reference_fails("R1", "read(-1) loses what it has")
@tcp_and_tls
async def test_cancelled_and_retried_read_to_eof_returns_every_byte(
    streams: types.ModuleType, tls: Any, secure: bool
) -> None:
    async with connected_pair(streams, **options(tls, secure)) as ((reader, _), (_, far)):
        sending = asyncio.create_task(send_in_pieces(far, DATA))
        try:
            assert await retry_cancelled(reader.read) == DATA
        finally:
            await sending


@pytest.mark.reference_fails("R1", "read(-1) loses what it has")
async def test_timed_out_reads_keep_bytes_for_next_read(streams: types.ModuleType) -> None:
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
