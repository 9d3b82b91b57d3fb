"""R7: send_frame() and frames() are counterparts, and a frame is never cut."""

import asyncio
import math
import tracemalloc
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair
from support.scheduling import start_task, wait_until


@pytest.mark.parametrize("length_bytes", [1, 2, 4, 8])
@pytest.mark.parametrize("byteorder", ["big", "little"])
async def test_sent_frames_are_received(length_bytes: Any, byteorder: Any) -> None:
    sent = [b"", b"x", memoryview(b"y" * 255), bytearray(b"last")]
    form = {"length_bytes": length_bytes, "byteorder": byteorder}
    async with connected_pair(sluiceway) as (client, server):
        one, other = sluiceway.Stream.from_pair(*client), sluiceway.Stream.from_pair(*server)
        for frame in sent:
            await one.send_frame(frame, **form)
        one.writer.write_eof()
        assert [frame async for frame in other.frames(**form)] == [bytes(frame) for frame in sent]


@pytest.mark.parametrize("policy", ["raise", "skip", "truncate", "chunks"])
async def test_length_that_the_peer_made_up_allocates_at_most_1_mib_ahead(policy: Any) -> None:
    announced = (1 << 50).to_bytes(8, "big")
    limits = [math.inf, 1 << 49] if policy != "raise" else [math.inf]
    for limit in limits:
        async with sluiceway.pair() as (ours, far):
            tracemalloc.start()
            try:
                waiting = await start_task(anext(ours.frames(length_bytes=8, max_size=limit, overlong=policy)))
                await far.send(announced + b"first")
                await wait_until(lambda stream=ours: stream.stats.bytes_received == 13)
                await far.send(b"second")
                await wait_until(lambda stream=ours: stream.stats.bytes_received == 19)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert not waiting.done()
            # Compiled code, and the objects of the test.
            assert peak < 1_500_000
            waiting.cancel()
            await asyncio.wait([waiting])


async def test_cancelled_send_frame_sends_the_whole_frame() -> None:
    size = 8 << 20
    async with connected_pair(sluiceway) as (client, server):
        one, other = sluiceway.Stream.from_pair(*client), sluiceway.Stream.from_pair(*server)
        task = asyncio.create_task(one.send_frame(bytes(size)))
        await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        one.writer.write_eof()
        assert [len(frame) async for frame in other.frames(max_size=size)] == [size]


@pytest.mark.parametrize(
    ("data", "form", "error", "message"),
    [
        (bytes(256), {"length_bytes": 1}, ValueError, r"256 bytes does not fit in length_bytes=1, which .* 255"),
        (b"x", {"length_bytes": 3}, ValueError, r"send_frame\(\): length_bytes must be one of 1, 2, 4, 8, not 3"),
        (b"x", {"byteorder": "up"}, ValueError, r"send_frame\(\): byteorder must be one of 'big', 'little', not 'up'"),
        ("x", {}, TypeError, "must be a bytes-like object"),
    ],
)  # fmt: skip
async def test_invalid_frame_raises_and_sends_nothing(
    data: Any, form: dict[str, Any], error: type[Exception], message: str
) -> None:
    async with connected_pair(sluiceway) as (client, server):
        one, other = sluiceway.Stream.from_pair(*client), sluiceway.Stream.from_pair(*server)
        with pytest.raises(error, match=message):
            await one.send_frame(data, **form)
        one.writer.write_eof()
        assert await other.read_all() == b""
