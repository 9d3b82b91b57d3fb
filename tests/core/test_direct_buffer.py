"""DirectBuffer, the buffer of a large read, returns received, appended and taken bytes in order."""

import random
import types

import pytest

from core.core_modules import core_module


def test_random_operations_match_a_bytearray(compiled_core: types.ModuleType) -> None:
    direct_buffer = core_module(compiled_core, "direct_buffer")
    chance = random.Random(8)
    for _ in range(300):
        plain, model = compiled_core.ChunkBuffer(), bytearray()
        start = chance.randbytes(chance.choice((0, 10, 3000)))
        if start:
            plain.append(start)
            model += start
        buffer = direct_buffer.DirectBuffer(plain, len(start) + 100_000, chance.choice((100, 5000, 1 << 20)))
        for _ in range(20):
            operation = chance.choice(("receive", "receive", "append", "take", "append nothing", "clear"))
            data = chance.randbytes(chance.choice((1, 100, 16_384)))
            if operation == "receive" and (memory := buffer.direct(len(data))) is not None:
                with memoryview(memory) as view:
                    view[: len(data)] = data
                    buffer.direct_committed(len(data))
                model += data
            elif operation == "append":
                assert buffer.append(data) == len(model) + len(data)
                model += data
            elif operation == "append nothing":
                buffer.append(b"")
            elif operation == "take":
                n = chance.choice((1, 50, 20_000))
                assert buffer.take(n) == model[:n]
                del model[:n]
            elif operation == "clear" and chance.random() < 0.2:
                buffer.clear()
                model.clear()
            assert buffer.size() == len(model)
        assert buffer.plain_buffer() is plain
        assert plain.take_all() == model


@pytest.mark.parametrize("excess", [-1001, 1])
@pytest.mark.parametrize("method", ["direct_committed", "late_bytes"])
def test_impossible_number_of_received_bytes_raises(compiled_core: types.ModuleType, method: str, excess: int) -> None:
    buffer = core_module(compiled_core, "direct_buffer").direct_buffer(compiled_core.ChunkBuffer(), 5000, 1000)
    with memoryview(buffer.direct(0)) as memory, pytest.raises(ValueError, match="range 0 to 1000"):
        getattr(buffer, method)(len(memory) + excess)
    assert buffer.size() == 0
