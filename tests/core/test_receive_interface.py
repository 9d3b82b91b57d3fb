"""Every implementation of ReceiveInterface loses no byte and receives none beyond its room."""

import asyncio
import ctypes
import sys
import types
from typing import Any

import pytest

from core.core_modules import is_compiled
from core.receivers import (
    KINDS,
    LIMIT,
    SCRATCH_SIZE,
    STREAM_KINDS,
    Case,
    new_case,
    put,
    transfer,
)
from support.certificates import Certificates
from support.fake_transports import CountingTransport
from support.scheduling import run_iterations, start_task

KIB = 1024
# What a receiver may receive at least, however full it is.
MINIMUM = 4 * KIB
DATA = bytes(range(256)) * 40

each_kind = pytest.mark.parametrize("kind", KINDS)
each_stream = pytest.mark.parametrize("kind", STREAM_KINDS)


@pytest.fixture
def case(kind: str, core: types.ModuleType, tls: Certificates) -> Case:
    return new_case(kind, core, tls, None)


# -- every implementation ---------------------------------------------------------------------------------------------


@each_kind
def test_repeated_get_buffer_without_committed_loses_nothing(case: Case) -> None:
    for text in (b"first", b"second"):
        wire = case.encode(text)
        while wire:
            for _ in range(3):
                memory = case.receiver.get_buffer(-1)
            size = put(memory, wire[: len(memory)])
            memory = None
            assert case.receiver.committed(size) is False
            wire = wire[size:]
    assert case.received() == b"firstsecond"


@each_kind
def test_get_buffer_without_committed_receives_nothing(case: Case) -> None:
    put(case.receiver.get_buffer(-1), b"noise")
    wire = case.encode(b"data")
    transfer(case, wire, len(wire))
    assert case.received() == b"data"


@each_kind
def test_committed_receives_the_first_n_bytes_of_the_memory(case: Case) -> None:
    wire = case.encode(b"data")
    received = []
    for size in (1, 2, len(wire)):
        part, wire = wire[:size], wire[size:]
        while part:
            memory = case.receiver.get_buffer(-1)
            piece = part[: len(memory)]
            put(memory, piece + b"?" * min(7, len(memory) - len(piece)))
            memory = None
            case.receiver.committed(len(piece))
            part = part[len(piece) :]
        received.append(case.received())
    assert b"data".startswith(received[0])
    assert received[-1] == b"data"


@each_kind
def test_feed_receives_all_of_the_data(case: Case) -> None:
    assert case.receiver.feed(case.encode(DATA)) is False
    assert case.receiver.feed(case.encode(b"end")) is False
    assert case.received() == DATA + b"end"


@each_kind
@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
def test_bytes_committed_and_fed_in_any_sizes_arrive_in_order(case: Case, step: int) -> None:
    data = DATA if step > 1 else DATA[:300]
    transfer(case, case.encode(data), step)
    case.receiver.feed(case.encode(b"fed"))
    transfer(case, case.encode(data), step)
    assert case.received() == data + b"fed" + data


@each_kind
def test_committed_returns_false_where_no_read_waits(case: Case) -> None:
    assert not transfer(case, case.encode(b"data"), 1 << 20)
    case.receiver.wake()
    assert case.received() == b"data"


@each_kind
def test_direct_buffer_returns_none_where_no_large_read_waits(case: Case) -> None:
    assert case.receiver.direct_buffer(1) is None
    assert case.receiver.direct_buffer(16 * KIB) is None


@pytest.mark.parametrize("kind", ["stream"])
@pytest.mark.parametrize("hint", [-1, 0, 1, 2 * LIMIT, 1 << 40])
def test_hint_does_not_change_the_room(case: Case, hint: int) -> None:
    assert len(case.receiver.get_buffer(hint)) == 2 * LIMIT


@pytest.mark.parametrize("kind", ["buffered protocol"])
@pytest.mark.parametrize("hint", [-1, 0, 100])
def test_hint_is_passed_on_to_a_buffered_protocol(case: Case, hint: int) -> None:
    case.receiver.get_buffer(hint)
    assert case.protocol.hints == [hint]


# -- room (contract R3) -----------------------------------------------------------------------------------------------


def bound(limit: int, buffered: int) -> int:
    return min(SCRATCH_SIZE, max(2 * limit - buffered, MINIMUM))


@pytest.mark.parametrize("limit", [1, KIB, 5000, LIMIT, 1 << 20])
@pytest.mark.parametrize("share", [0, 0.5, 0.99, 1, 2])
@pytest.mark.parametrize("kind", ["stream", "tls to stream", "protocol of a stream"])
def test_get_buffer_returns_no_more_than_the_stream_has_room_for(
    core: types.ModuleType, tls: Certificates, kind: str, limit: int, share: float
) -> None:
    case = new_case(kind, core, tls, None, limit)
    stream = case.reader._sluiceway
    buffered = int(2 * limit * share)
    if buffered:
        stream.feed(bytes(buffered))
    assert stream.room() == max(2 * limit - buffered, MINIMUM)
    assert MINIMUM <= len(case.receiver.get_buffer(-1)) <= bound(limit, buffered)
    if kind != "tls to stream":
        assert len(case.receiver.get_buffer(-1)) == bound(limit, buffered)


def test_protocol_without_a_stream_receives_all_of_the_scratch(core: types.ModuleType, tls: Certificates) -> None:
    case = new_case("protocol", core, tls, None)
    assert len(case.receiver.get_buffer(-1)) == SCRATCH_SIZE


@each_stream
def test_room_grows_by_what_is_read(core: types.ModuleType, tls: Certificates, kind: str) -> None:
    case = new_case(kind, core, tls, None, 10 * KIB)
    transfer(case, case.encode(bytes(15 * KIB)), 1 << 20)
    before = len(case.receiver.get_buffer(-1))
    assert before == 5 * KIB
    case.reader._sluiceway.buffer.take(10 * KIB)
    assert len(case.receiver.get_buffer(-1)) == 15 * KIB


@each_stream
@pytest.mark.loops("asyncio")
async def test_flooded_stream_is_paused_and_resumed_by_reads(
    core: types.ModuleType, tls: Certificates, kind: str
) -> None:
    case = new_case(kind, core, tls, asyncio.get_running_loop(), 8 * KIB)
    transport = CountingTransport()
    case.reader.set_transport(transport)
    received = 0
    while not transport.paused:
        transfer(case, case.encode(bytes(KIB)), 1 << 20)
        received += KIB
    assert received == 17 * KIB
    await case.reader.readexactly(received - 8 * KIB - 1)
    assert transport.paused
    await case.reader.readexactly(1)
    assert not transport.paused


# -- waiting reads ----------------------------------------------------------------------------------------------------


READS: dict[str, tuple[Any, bytes]] = {
    "read": (lambda reader: reader.read(100), b"x"),
    "readexactly": (lambda reader: reader.readexactly(10), b"0123456789"),
    "readline": (lambda reader: reader.readline(), b"\n"),
    "readuntil": (lambda reader: reader.readuntil(b"--"), b"--"),
}


@each_stream
@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.loops("asyncio")
async def test_memory_of_a_large_read_that_was_not_committed_receives_nothing(
    core: types.ModuleType, tls: Certificates, kind: str, cancelled: bool
) -> None:
    """The transport asks for memory, and finds nothing to receive."""
    case = new_case(kind, core, tls, asyncio.get_running_loop())
    data = DATA * 10
    reading = await start_task(case.reader.readexactly(len(data)))
    put(case.receiver.get_buffer(-1), b"noise")
    if cancelled:
        reading.cancel()
        await asyncio.wait([reading])
    transfer(case, case.encode(data), 1 << 20)
    assert await (case.reader.readexactly(len(data)) if cancelled else reading) == data


@each_stream
@pytest.mark.parametrize("read", READS)
@pytest.mark.loops("asyncio")
async def test_committed_returns_true_when_the_waiting_read_can_complete(
    core: types.ModuleType, tls: Certificates, kind: str, read: str
) -> None:
    case = new_case(kind, core, tls, asyncio.get_running_loop())
    start, data = READS[read]
    task = await start_task(start(case.reader))
    wire = case.encode(data)
    put(case.receiver.get_buffer(-1), wire)
    assert case.receiver.committed(len(wire)) is True
    assert not task.done()
    case.receiver.wake()
    assert await task == data


@each_stream
@pytest.mark.loops("asyncio")
async def test_feed_returns_true_when_the_waiting_read_can_complete(
    core: types.ModuleType, tls: Certificates, kind: str
) -> None:
    case = new_case(kind, core, tls, asyncio.get_running_loop())
    task = await start_task(case.reader.readexactly(10))
    assert case.receiver.feed(case.encode(b"01234")) is False
    assert case.receiver.feed(case.encode(b"5678")) is False
    await run_iterations()
    assert not task.done()
    assert case.receiver.feed(case.encode(b"9rest")) is True
    case.receiver.wake()
    assert await task == b"0123456789"
    assert case.received() == b"rest"


@each_stream
@pytest.mark.loops("asyncio")
async def test_committed_returns_false_until_readexactly_has_all_its_bytes(
    core: types.ModuleType, tls: Certificates, kind: str
) -> None:
    case = new_case(kind, core, tls, asyncio.get_running_loop())
    task = await start_task(case.reader.readexactly(3))
    answers = []
    for byte in b"abc":
        wire = case.encode(bytes([byte]))
        put(case.receiver.get_buffer(-1), wire)
        answers.append(case.receiver.committed(len(wire)))
    assert answers == [False, False, True]
    case.receiver.wake()
    assert await task == b"abc"


@each_stream
@pytest.mark.loops("asyncio")
async def test_woken_read_is_not_reported_as_waiting_again(
    core: types.ModuleType, tls: Certificates, kind: str
) -> None:
    case = new_case(kind, core, tls, asyncio.get_running_loop())
    task = await start_task(case.reader.read(100))
    assert case.receiver.feed(case.encode(b"a"))
    case.receiver.wake()
    assert case.receiver.feed(case.encode(b"b")) is False
    case.receiver.wake()
    assert await task == b"ab"


@pytest.mark.loops("asyncio")
async def test_protocol_receiver_leaves_waking_to_the_protocol(core: types.ModuleType, tls: Certificates) -> None:
    case = new_case("protocol of a stream", core, tls, asyncio.get_running_loop())
    task = await start_task(case.reader.read(100))
    put(case.receiver.get_buffer(-1), b"data")
    assert case.receiver.committed(4) is False
    assert await task == b"data"


@each_stream
@pytest.mark.loops("asyncio")
async def test_cancelled_read_leaves_later_bytes_to_the_next_read(
    core: types.ModuleType, tls: Certificates, kind: str
) -> None:
    case = new_case(kind, core, tls, asyncio.get_running_loop())
    task = await start_task(case.reader.readexactly(10))
    assert not transfer(case, case.encode(b"01234"), 1 << 20)
    task.cancel()
    await run_iterations()
    assert task.cancelled()
    assert not transfer(case, case.encode(b"56789"), 1 << 20)
    assert await case.reader.readexactly(10) == b"0123456789"


# -- large reads ------------------------------------------------------------------------------------------------------


@each_stream
@pytest.mark.parametrize("n", [32 * KIB + 10, 200 * KIB, 3 << 20])
@pytest.mark.loops("asyncio")
async def test_large_read_is_received_exactly(core: types.ModuleType, tls: Certificates, kind: str, n: int) -> None:
    case = new_case(kind, core, tls, asyncio.get_running_loop())
    data = (DATA * (n // len(DATA) + 1))[:n]
    task = await start_task(case.reader.readexactly(n))
    assert transfer(case, case.encode(data + b"rest"), 100_000)
    assert await task == data
    assert await case.reader.readexactly(4) == b"rest"


@pytest.mark.loops("asyncio")
async def test_direct_buffer_returns_memory_while_a_large_read_waits(core: types.ModuleType) -> None:
    case = new_case("stream", core, None, asyncio.get_running_loop())
    receiver = case.receiver
    task = await start_task(case.reader.readexactly(64 * KIB))
    memory = receiver.direct_buffer(16 * KIB)
    assert (memory is not None) == is_compiled(core)
    if memory is not None:
        assert len(memory) >= 16 * KIB
        put(memory, b"a" * 16 * KIB)
        assert receiver.committed(16 * KIB) is False
    else:
        assert receiver.feed(b"a" * 16 * KIB) is False
    assert receiver.direct_buffer(48 * KIB + 1) is None, "more than the read lacks"
    assert receiver.feed(b"b" * 48 * KIB) is True
    receiver.wake()
    assert await task == b"a" * 16 * KIB + b"b" * 48 * KIB
    assert receiver.direct_buffer(1) is None, "the read has ended"


@pytest.mark.loops("asyncio")
async def test_direct_buffer_returns_none_for_a_small_readexactly(core: types.ModuleType) -> None:
    case = new_case("stream", core, None, asyncio.get_running_loop())
    task = await start_task(case.reader.readexactly(32 * KIB - 1))
    assert case.receiver.direct_buffer(1) is None
    assert case.receiver.feed(bytes(32 * KIB - 1))
    case.receiver.wake()
    await task


@pytest.mark.parametrize("call", ["get_buffer", "direct_buffer"])
@pytest.mark.loops("asyncio")
async def test_readexactly_result_is_the_memory_it_was_received_into(
    compiled_core: types.ModuleType, call: str
) -> None:
    n = 100 * KIB
    case = new_case("stream", compiled_core, None, asyncio.get_running_loop())
    receiver = case.receiver
    task = await start_task(case.reader.readexactly(n))
    assert not transfer(case, b"start", 5)
    memory = receiver.get_buffer(-1) if call == "get_buffer" else receiver.direct_buffer(16 * KIB)
    assert len(memory) == n - 5
    address = address_of(memory)
    put(memory, b"x" * (n - 5))
    assert receiver.committed(n - 5) is True
    receiver.wake()
    result = await task
    assert result == b"start" + b"x" * (n - 5)
    assert id(result) + sys.getsizeof(b"") - 1 + 5 == address


def address_of(memory: Any) -> int:
    """Return where writable memory begins; the memory is exported no longer than this call."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
