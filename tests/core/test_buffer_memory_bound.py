"""R3: unread data uses at most 2 x limit + 32 KiB of memory, whatever the size of each arrival.

The tests feed the reader as a transport does: no arrival is larger than room().
"""

import itertools
import types
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import loops
from support.fake_transports import CountingTransport
from support.memory_usage import retained_memory

KIB = 1024
LIMITS = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": 1024 * KIB}
ARRIVALS = {
    "1 byte at a time": [1],
    "7 bytes at a time": [7],
    "100 bytes": [100],
    "1500 bytes": [1500],
    "4 KiB": [4 * KIB],
    "merge size minus 1": [8 * KIB - 1],
    "merge size, then 1 byte": [8 * KIB, 1],
    "1 byte, then merge size": [1, 8 * KIB],
    "merge size minus 1, then 1 byte": [8 * KIB - 1, 1],
    "256 KiB, then 1 byte": [256 * KIB, 1],
    "20000, then 100 bytes": [20000, 100],
    "tail size, then 1 byte three times": [32 * KIB - 2, 1, 1, 1],
    "all of the room": [1 << 30],
}


@pytest.fixture(scope="module")
def loop() -> Iterator[object]:
    with loops.new_runner("asyncio") as runner:
        yield runner.get_loop()


def bound(limit: int) -> int:
    return 2 * limit + 32 * KIB


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("arrivals", ARRIVALS.values(), ids=ARRIVALS)
def test_buffer_memory_stays_bounded_until_the_transport_pauses(
    core: types.ModuleType, loop: object, arrivals: list[int], limit: int
) -> None:
    reader = core.ReadOperations(limit, loop)
    transport = CountingTransport()
    reader.set_transport(transport)
    empty = retained_memory(reader)
    fed = 0
    for size in itertools.cycle(arrivals):
        # There is always room for 4 KiB; a call of room() would take half of the time.
        piece = bytes(size if size <= 4 * KIB else min(size, reader._sluiceway.room()))
        reader.feed_data(piece)
        fed += len(piece)
        if transport.paused:
            break
        if fed % KIB == 0 and len(piece) >= KIB:
            assert retained_memory(reader) - empty <= bound(limit)
    assert fed > 2 * limit, "reading paused below twice the limit"
    assert retained_memory(reader) - empty <= bound(limit)


@pytest.mark.parametrize("limit", [16 * KIB * KIB], ids=["16 MiB"])
@pytest.mark.parametrize("size", [8 * KIB, 8 * KIB - 1, 9000, 1500])
def test_buffer_memory_stays_bounded_with_a_limit_of_16_mib(
    core: types.ModuleType, loop: object, size: int, limit: int
) -> None:
    reader = core.ReadOperations(limit, loop)
    transport = CountingTransport()
    reader.set_transport(transport)
    while not transport.paused:
        reader.feed_data(bytes(min(size, reader._sluiceway.room())))
    assert retained_memory(reader) <= bound(limit)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["feed", "feed", "feed", "read"]),
        st.one_of(st.integers(1, 9), st.sampled_from([100, 1500, 4095, 8191, 8192, 8193, 30000, 32768, 70000, 200000])),
        st.integers(1, 40),
    ),
    max_size=30,
)


@settings(max_examples=200)
@given(steps=STEPS, limit=st.sampled_from([KIB, 3 * KIB, 64 * KIB]))
def test_buffer_memory_stays_bounded_at_every_step_of_random_operations(
    core: types.ModuleType, loop: object, steps: list[tuple[str, int, int]], limit: int
) -> None:
    """Bytes that were read still count while the rest of their chunk is unread."""
    reader = core.ReadOperations(limit, loop)
    transport = CountingTransport()
    reader.set_transport(transport)
    for step, size, times in steps:
        for _ in range(times):
            if step == "read" and reader._sluiceway.buffer.size():
                with pytest.raises(StopIteration):  # there is data: no wait
                    reader.read(size).send(None)
            elif step == "feed" and not transport.paused:
                reader.feed_data(bytes(min(size, reader._sluiceway.room())))
        assert retained_memory(reader) <= bound(limit)


def test_mostly_read_chunk_is_released_when_more_arrives(core: types.ModuleType, loop: object) -> None:
    """R3: bytes that were read count as long as they are in memory."""
    limit = 64 * KIB
    reader = core.ReadOperations(limit, loop)
    reader.set_transport(CountingTransport())
    reader.feed_data(bytes(2 * limit))
    with pytest.raises(StopIteration):
        reader.read(2 * limit - 1).send(None)
    reader.feed_data(bytes(2 * limit - 1))
    assert reader._sluiceway.buffer.size() == 2 * limit
    assert retained_memory(reader) <= bound(limit)
