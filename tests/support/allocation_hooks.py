"""The fixture ``allocation_hooks``: the module of CPython that lets an allocation fail, in the thread of the test only.

``allocation_hooks.set_nomemory(n, n + 1)`` lets the allocation n fail, counted from 0, ``remove_mem_hooks()`` none.
"""

import sys
import time
import types
from collections.abc import Iterator

import pytest


@pytest.fixture
def allocation_hooks() -> Iterator[types.ModuleType]:
    """The module ``_testcapi``. While the thread of the test runs Python code, no other thread interrupts it.

    The hooks count the allocations of all threads. A MemoryError in the thread that receives the commands of
    pytest-xdist would end the test process.
    """
    hooks: types.ModuleType = pytest.importorskip("_testcapi")
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        # A thread that waits already may still interrupt this one after the interval of before.
        time.sleep(2 * before)
        yield hooks
    finally:
        sys.setswitchinterval(before)
