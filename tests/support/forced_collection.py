"""Run a finalizer within a call, in a garbage collection that one of its allocations starts.

Up to Python 3.11, a collection begins in the allocation of an object, also in compiled code. Later versions collect
between bytecodes only.
"""

import contextlib
import gc
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def collection(number: int, finalize: Callable[[], object]) -> Iterator[None]:
    """Start a collection at each allocation of an object that is tracked. That with ``number`` calls ``finalize``.

    CPython keeps some freed lists, tuples and slices for the next use, which is then no allocation: these are taken.
    """
    count = 0
    taken: list[object] = [[] for _ in range(100)]

    def take_freed() -> None:
        taken.append((slice(count), (count,), (count, count), (count, count, count)))

    def call_finalizer(phase: str, _: object) -> None:
        nonlocal count
        if count >= number:
            return
        if phase == "stop":
            take_freed()
            return
        count += 1
        if count == number:
            finalize()

    thresholds = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(call_finalizer)
    # More objects than the threshold, so that the next allocation starts a collection.
    take_freed()
    gc.set_threshold(1, 1 << 20, 1 << 20)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(call_finalizer)
        taken.clear()
