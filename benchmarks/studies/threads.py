"""Do two threads, each with a loop, carry twice the messages of one?

Only on free-threaded CPython, whose threads run at the same time. A process has one thread and then two, in turn, and
each thread runs a server and its clients. It needs two cores that do nothing else.
"""

from __future__ import annotations

import functools
import pathlib
import sys
import sysconfig
from collections.abc import Mapping
from typing import Final

from benchmarks.contenders import ENGINE, PURE
from benchmarks.measure import relative
from benchmarks.studies import Column, Goal, Reading, Row, Study
from benchmarks.studies.worker import reading_of

TIMES: Final = 1.9  # as many messages with two threads as with one, at least

# The compiled parts would turn the lock on.
WITHOUT_LOCK: Final = {"PYTHON_GIL": "0"} if sysconfig.get_config_var("Py_GIL_DISABLED") else {}
WORKER: Final = pathlib.Path(__file__).resolve().with_name("threads_worker.py")
CONTENDERS: Final[dict[str, tuple[str, Mapping[str, str]]]] = {
    "asyncio": ("asyncio", {}),
    "sluiceway": ("sluiceway", ENGINE),
    "sluiceway-loop": ("sluiceway", {"SLUICEWAY_PURE": "0", "SLUICEWAY_ENGINE": "loop"}),
    "sluiceway-pure": ("sluiceway", PURE),
}


def command(contender: str, windows: int, seconds: float) -> list[str]:
    options = ["--streams", CONTENDERS[contender][0], "--windows", str(windows), "--seconds", str(seconds)]
    return [sys.executable, str(WORKER), *options]


def measured(line: list[str], variables: Mapping[str, str]) -> Reading:
    found = reading_of(line, {**WITHOUT_LOCK, **variables})
    return {**found, "time_of_two": 1 / found["times"]}


def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
    if not WITHOUT_LOCK:
        return [], {"sluiceway": "this interpreter has its lock (tools/free_threaded.py makes one without)"}
    windows, seconds = (1, 0.2) if quick else (3, 0.5)
    made = []
    for contender, (_, variables) in CONTENDERS.items():
        line = command(contender, windows, seconds)
        shown = (*(f"{key}={value}" for key, value in variables.items()), *map(relative, line))
        made.append(Row(contender, functools.partial(measured, line, variables), shown))
    return made, {}


STUDY: Final = Study(
    "threads",
    "loops in two threads of free-threaded CPython, and in one",
    rows,
    (
        Column("one", "messages/s, one thread", ",.0f"),
        Column("two", "messages/s, two threads", ",.0f"),
        Column("times", "times", ".2f"),
        Column("time_of_two", "time for a message with two, of that with one", ".3f"),
        Column("one_cpu_us", "CPU us/message, one thread", ".1f"),
        Column("two_cpu_us", "CPU us/message, two threads", ".1f"),
    ),
    (Goal("sluiceway", "time_of_two", 1 / TIMES),),
    rounds=5,
    quick_rounds=3,
    contenders=tuple(CONTENDERS),
    compared="one_cpu_us",
)
