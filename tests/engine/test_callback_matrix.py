"""Every callback of the engine ends its connection, drops the last reference, or turns the loop: nothing freed is used.

In processes of their own, since the fault would end the interpreter. The allocator fills freed memory there, unless the
run has one that watches it (make sanitize), and the collector runs at every allocation.
"""

import os
import pathlib
import subprocess
import sys

import pytest

PROGRAM = pathlib.Path(__file__).with_name("callback_matrix_program.py")


@pytest.mark.parametrize("arguments", [["sole"], ["several"], ["sole", "tls"]], ids=" ".join)
def test_interpreter_survives_what_callbacks_do(arguments: list[str]) -> None:
    # In debug mode the engine steps no task, and a nested turn takes handles that the outer turn of the loop counted.
    environment = {"PYTHONMALLOC": "debug", **os.environ, "PYTHONDEVMODE": "", "PYTHONASYNCIODEBUG": ""}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    last = done.stdout.splitlines()[-1:]
    assert (done.returncode, last) == (0, ["survived"]), done.stderr[-2000:]
