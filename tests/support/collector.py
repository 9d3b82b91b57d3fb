"""The garbage collector is off, so that reference counting or an explicit collection decides what is freed."""

import contextlib
import gc
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def recorded_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Record every warning while the automatic collections are off."""
    gc.collect()
    gc.disable()
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            yield found
    finally:
        gc.enable()
