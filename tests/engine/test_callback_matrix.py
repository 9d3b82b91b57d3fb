"""No callback of the engine leads to a use after free: it may close the connection, drop it, or run a nested loop.

The tests run in subprocesses, because the fault would crash the interpreter. The allocator overwrites freed memory
there (or is a sanitizer's, in ``make sanitize``), and the garbage collector runs at every allocation.
"""

import os
import pathlib
import subprocess
import sys

import pytest

from support.timeouts import PROCESS_TIMEOUT

PROGRAM = pathlib.Path(__file__).with_name("callback_matrix_program.py")


@pytest.mark.parametrize("arguments", [["sole"], ["several"], ["sole", "tls"]], ids=" ".join)
def test_callbacks_that_close_drop_or_nest_do_not_crash_the_interpreter(arguments: list[str]) -> None:
    # In debug mode the engine runs no task itself, and a nested iteration takes handles that the outer one has counted.
    environment = {"PYTHONMALLOC": "debug", **os.environ, "PYTHONDEVMODE": "", "PYTHONASYNCIODEBUG": ""}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PROCESS_TIMEOUT,
    )
    last = done.stdout.splitlines()[-1:]
    assert (done.returncode, last) == (0, ["survived"]), done.stderr[-2000:]
