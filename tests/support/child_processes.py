"""Forked children of a test: each ends by itself, whatever happens in it.

In a process with threads Python warns about every fork. A module that forks ignores the warning with
``pytestmark = IGNORE_THREADS``, because its children use no other thread.
"""

import os
import signal
from collections.abc import Callable

import pytest

from support.timeouts import PROCESS_TIMEOUT

# Seconds after which the kernel ends a child.
LIFETIME = int(PROCESS_TIMEOUT)

IGNORE_THREADS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def start_child(body: Callable[[], object]) -> int:
    """Run ``body()`` in a new process, which ends with status 0 when it returns, 1 when it raises; return its pid."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(LIFETIME)
            body()
            status = 0
        except BaseException as error:  # noqa: BLE001 - pytest must not see the child
            os.write(2, f"in the child: {error!r}\n".encode())
        finally:
            os._exit(status)
    return pid


def wait_for_child(pid: int) -> int:
    """Return the exit status of a child."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_child(body: Callable[[], object]) -> int:
    """Run ``body()`` in a new process; return its exit status, 0 if nothing was raised."""
    return wait_for_child(start_child(body))
