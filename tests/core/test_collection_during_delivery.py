"""A garbage collection may run a finalizer that runs the loop nested, and the nested loop receives further bytes.

Up to Python 3.11, a collection begins in the allocation of an object, also in compiled code.
"""

import asyncio
import gc
import types

import pytest

from core.receivers import SCRATCH_SIZE, Case, put, transfer
from support.scheduling import start_task

DATA = b"".join(b"%07d\n" % number for number in range(25_000))
PART = 4096


@pytest.mark.loops("asyncio")
async def test_collection_when_a_large_read_gets_its_buffer_loses_no_byte(compiled_core: types.ModuleType) -> None:
    reader = compiled_core.ReadOperations(SCRATCH_SIZE, asyncio.get_running_loop())
    case = Case(reader._sluiceway, reader)
    case.receiver.attach(compiled_core.Scratch(SCRATCH_SIZE), None)
    task = await start_task(reader.readexactly(len(DATA)))
    later = [DATA[PART : 2 * PART]]

    def receive_nested(phase: str, info: dict[str, int]) -> None:
        # Not before the first part is buffered.
        if phase == "start" and later and case.receiver.buffer.size():
            transfer(case, later.pop(), PART)

    put(case.receiver.get_buffer(-1), DATA[:PART])
    before = gc.get_threshold()
    gc.callbacks.append(receive_nested)
    # Each allocation of an object that the collector counts starts a collection.
    gc.set_threshold(1)
    try:
        case.receiver.committed(PART)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(receive_nested)
    transfer(case, DATA[PART if later else 2 * PART :], PART)
    assert await task == DATA
