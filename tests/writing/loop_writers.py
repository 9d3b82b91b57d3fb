"""Find the LoopWriter of a writer: the compiled core corks there what is written to a loop's own transport."""

import gc
from typing import Any

import pytest

import sluiceway

NEEDS_LOOP_WRITER = pytest.mark.skipif(
    sluiceway.ENGINE != "loop" or sluiceway.IMPLEMENTATION == "pure",
    reason="only the compiled core has a LoopWriter, on the loop's own transports",
)


def loop_writer_of(writer: sluiceway.StreamWriter) -> Any:
    referents: list[Any] = gc.get_referents(writer._sluiceway)
    (found,) = (one for one in referents if type(one).__name__ == "LoopWriter")
    return found
