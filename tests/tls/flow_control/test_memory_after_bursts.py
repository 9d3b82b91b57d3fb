"""After a burst of traffic OpenSSL keeps at most the memory of one record for each direction.

Measured by mallinfo2() of the C library.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address

KIB = 1024
CONNECTIONS = 20
BURST = 1 << 20
# Two sides with two directions: a BIO that has held a whole record, and its growth.
BOUND = 4 * 24 * KIB


class MallInfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keep",
        )
    ]


@pytest.fixture
def allocated() -> Callable[[], int]:
    """Return a function that returns the bytes allocated from the C library."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        pytest.skip("this C library has no mallinfo2() (glibc 2.33 has)")
    library.mallinfo2.restype = MallInfo

    def measure() -> int:
        gc.collect()
        info = library.mallinfo2()
        return int(info.uordblks + info.hblkhd)

    return measure


async def echo(reader: Any, writer: Any) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def burst(reader: Any, writer: Any, size: int) -> None:
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(reader.readexactly(size))
        for _ in range(size // KIB):
            writer.write(bytes(KIB))
            await writer.drain()
    assert len(answer.result()) == size


async def test_openssl_memory_after_a_burst_is_at_most_one_record_per_direction(
    tls: Certificates, allocated: Callable[[], int]
) -> None:
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context) as server:
        ends = [
            await sluiceway.open_connection(
                *server_address(server), ssl=tls.client_context, server_hostname="localhost"
            )
            for _ in range(CONNECTIONS)
        ]
        for end in ends:
            await burst(*end, KIB)
        before = allocated()
        await asyncio.gather(*(burst(*end, BURST) for end in ends))
        left = (allocated() - before) / CONNECTIONS
        for _, writer in ends:
            writer.close()
            await writer.wait_closed()
    assert left <= BOUND
