"""An instance that was made without ``__init__`` never crashes the interpreter."""

import os
import pathlib
import subprocess
import sys
import types
from typing import Any

import pytest

from support.timeouts import PROCESS_TIMEOUT

PROGRAM = pathlib.Path(__file__).with_name("incomplete_instances_program.py")


def test_use_of_instances_without_init_does_not_crash_the_interpreter(compiled_core: types.ModuleType) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", PROGRAM],
        env=os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PROCESS_TIMEOUT,
    )
    last = done.stdout.splitlines()[-1:]
    assert (done.returncode, last and last[0].split()[0]) == (0, "survived"), f"{last} {done.stderr[-2000:]}"


def test_internal_class_refuses_an_instance_without_init(compiled_core: types.ModuleType) -> None:
    core: Any = compiled_core
    for cls in (core.Receiver, core.TimeLimit, core.SeparatedRecords, core.RawTransportProvider, core.WriteQueue):
        with pytest.raises(TypeError, match="is not safe"):
            cls.__new__(cls)
    assert type(core.WriteQueue()) is core.WriteQueue


def test_internal_class_refuses_a_derived_class_which_could_leave_out_init(compiled_core: types.ModuleType) -> None:
    core: Any = compiled_core
    for cls in (core.Receiver, core.TimeLimit, core.SeparatedRecords, core.LengthPrefixed, core.WriteQueue):
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Derived", (cls,), {"__init__": lambda self: None})
