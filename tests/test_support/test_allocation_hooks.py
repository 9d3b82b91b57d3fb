"""The fixture ``allocation_hooks``."""

import threading
import time
import types


def test_no_other_thread_interrupts_the_test(allocation_hooks: types.ModuleType) -> None:
    ran = []
    may_run = threading.Event()

    def other() -> None:
        may_run.wait()
        ran.append(True)

    thread = threading.Thread(target=other)
    thread.start()
    may_run.set()
    # Ten times as long as the thread would wait at most by default.
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass
    assert ran == []
    thread.join()
    assert ran == [True]
