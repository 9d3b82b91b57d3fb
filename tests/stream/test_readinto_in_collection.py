"""A finalizer that reads ``reader._buffer`` within readinto() or read_exactly_into() neither loses nor moves bytes."""

import asyncio

import pytest

import sluiceway
from support.forced_collection import collection

DATA = bytes(index * 7 % 251 for index in range(10_100))

pytestmark = [
    pytest.mark.loops("asyncio"),
    pytest.mark.skipif(sluiceway.IMPLEMENTATION == "pure", reason="finalizers run between any two bytecodes"),
]


@pytest.mark.parametrize("method", ["readinto", "read_exactly_into"])
async def test_bytes_stay_in_order_if_a_finalizer_reads_the_buffer(method: str) -> None:
    for number in range(1, 60):
        reader = sluiceway.StreamReader()
        stream = sluiceway.Stream.from_pair(reader, None)
        reader.feed_data(DATA[:1_000])
        memory = bytearray(10_000)
        with collection(number, lambda reader=reader: reader._buffer):
            task = asyncio.ensure_future(getattr(stream, method)(memory))
            await asyncio.sleep(0)
        reader.feed_data(DATA[1_000:])
        # read_exactly_into() returns None.
        count = await task or len(memory)
        assert memory[:count] == DATA[:count]
        assert await reader.readexactly(len(DATA) - count) == DATA[count:]
