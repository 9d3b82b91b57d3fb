"""What bursts leave behind in OpenSSL's memory: a record's worth in each direction, however much went through.

The C library says what it has handed out; Python's own objects are elsewhere.
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
# For each direction of each of two ends a BIO that has held a whole record, and what it had grown by.
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
    """Bytes that the C library has handed out."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        pytest.skip("this C library does not say what it has allocated (glibc 2.33 does)")
    library.mallinfo2.restype = MallInfo

    def ask() -> int:
        gc.collect()
        told = library.mallinfo2()
        return int(told.uordblks + told.hblkhd)

    return ask


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


async def test_a_burst_leaves_no_more_than_a_record(tls: Certificates, allocated: Callable[[], int]) -> None:
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
