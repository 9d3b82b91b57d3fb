"""CallerBuffer, the buffer while readinto() waits, counts the overhead of the bytes that its target does not hold."""

import types

from core.core_modules import core_module

PIECE = bytes(8 * 1024)


def test_append_returns_size_and_excess(compiled_core: types.ModuleType) -> None:
    buffer = core_module(compiled_core, "caller_buffer").caller_buffer(compiled_core.ChunkBuffer(), bytearray(4))
    for _ in range(500):
        returned = buffer.append(PIECE)
        assert returned == buffer.size() + buffer.excess()
    assert buffer.excess() > 0
