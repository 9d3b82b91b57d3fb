"""CallerBuffer, the buffer while readinto() waits: its size, and the received bytes that it accepts."""

import types

import pytest

from core.core_modules import core_module

PIECE = bytes(8 * 1024)


def test_append_returns_size_and_excess(compiled_core: types.ModuleType) -> None:
    buffer = core_module(compiled_core, "caller_buffer").caller_buffer(compiled_core.ChunkBuffer(), bytearray(4))
    for _ in range(500):
        returned = buffer.append(PIECE)
        assert returned == buffer.size() + buffer.excess()
    assert buffer.excess() > 0


@pytest.mark.parametrize("n", [-1, 5])
@pytest.mark.parametrize("method", ["direct_committed", "late_bytes"])
def test_impossible_number_of_received_bytes_raises(compiled_core: types.ModuleType, method: str, n: int) -> None:
    target = bytearray(4)
    buffer = core_module(compiled_core, "caller_buffer").caller_buffer(compiled_core.ChunkBuffer(), target)
    with memoryview(buffer.direct(0)), pytest.raises(ValueError, match="range 0 to 4"):
        getattr(buffer, method)(n)
    assert buffer.size() == 0


def test_data_fed_during_receive_follows_the_received_bytes(compiled_core: types.ModuleType) -> None:
    """A loop's transport receives without the interpreter lock. Meanwhile another thread may feed data."""
    target = bytearray(4)
    buffer = core_module(compiled_core, "caller_buffer").caller_buffer(compiled_core.ChunkBuffer(), target)
    with memoryview(buffer.direct(0)) as view:
        view[:3] = b"abc"
        assert buffer.append(b"12") == 2
    buffer.direct_committed(3)
    assert target == b"abc\0"
    assert buffer.direct(0) is None
    assert buffer.append(b"3") == 6
    assert buffer.take_all() == b"abc123"


def test_bytes_received_into_buffer_that_was_emptied_meanwhile_are_kept(compiled_core: types.ModuleType) -> None:
    buffer = core_module(compiled_core, "caller_buffer").caller_buffer(compiled_core.ChunkBuffer(), bytearray(8))
    buffer.append(b"12")
    with memoryview(buffer.direct(0)) as view:
        view[:3] = b"abc"
        buffer.clear()
    buffer.direct_committed(3)
    assert buffer.take_all() == b"abc"
