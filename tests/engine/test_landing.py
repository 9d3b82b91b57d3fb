"""A large readexactly is received into its result; what happens to it on the way is what happens to any read."""

import asyncio
import random
import tracemalloc

import pytest

from engine.ends import End, opened
from support.peer import Peers
from support.turns import started, until

SIZE = 3_000_000
RECORD = bytes(range(251)) * (SIZE // 251 + 1)
RECORD = RECORD[:SIZE]


async def landing(end: End, size: int = SIZE) -> "asyncio.Task[bytes]":
    """Start a readexactly and return its task when some of its bytes have landed."""
    task = await started(end.reader.readexactly(size))
    end.wire.send(RECORD[:1000])
    await until(lambda: end.reader._ps_unread.held() == 1000)
    end.wire.send(RECORD[1000:50_000])
    await until(lambda: end.reader._ps_unread.held() == 50_000)
    assert type(end.reader._ps_unread).__name__ == "LandingBuffer"
    return task


async def test_it_is_whole_and_what_follows_is_not_touched(peer: Peers):
    [end] = await opened(peer)
    task = await landing(end)
    await end.wire.in_thread(end.wire.send, RECORD[50_000:] + b"after it")
    assert await task == RECORD
    assert await end.reader.readexactly(8) == b"after it"
    assert type(end.reader._ps_unread).__name__ == "ChunkBuffer"
    await end.close()


async def test_cancelled_it_has_taken_nothing(peer: Peers):
    [end] = await opened(peer)
    task = await landing(end)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await end.reader.readexactly(50_000) == RECORD[:50_000]
    end.wire.send(b"goes on")
    assert await end.reader.readexactly(7) == b"goes on"
    await end.close()


async def test_the_input_ends_before(peer: Peers):
    [end] = await opened(peer)
    task = await landing(end)
    end.wire.half_close()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await task
    assert caught.value.partial == RECORD[:50_000]
    assert caught.value.expected == SIZE
    assert await end.reader.read() == b""
    await end.close()


async def test_somebody_touches_the_buffer_meanwhile(peer: Peers):
    [end] = await opened(peer)
    task = await landing(end)
    assert end.reader._buffer == RECORD[:50_000]
    await end.wire.in_thread(end.wire.send, RECORD[50_000:])
    assert await task == RECORD
    await end.close()


async def test_somebody_feeds_the_reader_meanwhile(peer: Peers):
    [end] = await opened(peer)
    task = await landing(end, 100_000)
    end.reader.feed_data(b"f" * 20_000)
    end.wire.send(b"w" * 30_000)
    assert await task == RECORD[:50_000] + b"f" * 20_000 + b"w" * 30_000
    # More at once than is lacking.
    task = await landing(end, 100_000)
    end.reader.feed_data(b"f" * 60_000)
    assert await task == RECORD[:50_000] + b"f" * 50_000
    assert await end.reader.readexactly(10_000) == b"f" * 10_000
    await end.close()


async def test_a_count_that_a_peer_made_up_costs_no_memory(peer: Peers):
    [end] = await opened(peer)
    tracemalloc.start()
    try:
        task = await landing(end, 1 << 40)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 1 MiB ahead of what has arrived, and what else a test holds.
    assert held < 1_500_000
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await end.close()


async def test_reads_of_much_are_received_for_directly(peer: Peers):
    [end] = await opened(peer)
    got = b""
    task = asyncio.create_task(end.wire.in_thread(end.wire.send, RECORD))
    while len(got) < SIZE:
        piece = await end.reader.read(65536)
        assert 0 < len(piece) <= 65536
        got += piece
    await task
    assert got == RECORD
    await end.close()


def test_as_a_buffer_it_is_like_any_other() -> None:
    """Against a bytearray: what a transport lands, what somebody appends, what is taken, of every size."""
    landing = pytest.importorskip("sluiceway._core_c.direct_buffer")
    buffer = pytest.importorskip("sluiceway._core_c.chunk_buffer")
    chance = random.Random(8)
    for _ in range(300):
        plain, model = buffer.ChunkBuffer(), bytearray()
        start = chance.randbytes(chance.choice((0, 10, 3000)))
        if start:
            plain.append(start)
            model += start
        one = landing.LandingBuffer(plain, len(start) + 100_000, chance.choice((100, 5000, 1 << 20)))
        for _ in range(20):
            what = chance.choice(("land", "land", "append", "take", "nothing", "clear"))
            data = chance.randbytes(chance.choice((1, 100, 16_384)))
            if what == "land" and (room := one.landing(len(data))) is not None:
                room[:] = data
                one.landed(len(data))
                model += data
            elif what == "append":
                assert one.append(data) == len(model) + len(data)
                model += data
            elif what == "nothing":
                one.append(b"")
            elif what == "take":
                n = chance.choice((1, 50, 20_000))
                assert one.take(n) == model[:n]
                del model[:n]
            elif what == "clear" and chance.random() < 0.2:
                one.clear()
                model.clear()
            assert one.held() == len(model)
        settled = one.settled()
        assert settled is plain
        assert settled.take_all() == model
