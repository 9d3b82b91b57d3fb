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
