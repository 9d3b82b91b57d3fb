"""What does it cost to read one short line or frame, when many have arrived?

A child process fills one connection with lines of 32 bytes, or with frames of 64 bytes that begin with their length.
The CPU time is that of the reading process, with the kernel's part.
"""

from __future__ import annotations

import functools
import pathlib
import sys
from typing import Final

from benchmarks.contenders import ENGINE, PURE
from benchmarks.measure import cores, pinned, relative
from benchmarks.studies import Column, Goal, Row, Study
from benchmarks.studies.worker import reading_of

BATCHES: Final = 400
FEW: Final = 40  # with --quick
AT_MOST: Final = 1 / 8  # of the CPU time of asyncio's readline

WORKER: Final = pathlib.Path(__file__).resolve().with_name("framing_worker.py")
CONTENDERS: Final = {
    "asyncio": ("asyncio", {}, ("readline", "readexactly")),
    "sluiceway": ("sluiceway", ENGINE, ("readline", "read_line", "lines", "readexactly", "frames")),
    "sluiceway-pure": ("sluiceway", PURE, ("readline", "lines", "readexactly", "frames")),
}


def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
    made = []
    for contender, (streams, variables, forms) in CONTENDERS.items():
        for form in forms:
            options = ["--streams", streams, "--form", form, "--batches", str(FEW if quick else BATCHES)]
            command = [sys.executable, str(WORKER), *options]
            made.append(
                Row(
                    f"{contender} at {form}",
                    functools.partial(reading_of, pinned(command, cores().measured), variables),
                    (*(f"{key}={value}" for key, value in variables.items()), *map(relative, command)),
                )
            )
    return made, {}


STUDY: Final = Study(
    "framing",
    "lines of 32 bytes and frames of 64 bytes from one connection, by method",
    rows,
    (Column("ns_per_record", "CPU ns/record", ",.0f"),),
    (
        Goal("sluiceway at lines", "ns_per_record", AT_MOST, "asyncio at readline"),
        Goal("sluiceway at frames", "ns_per_record", AT_MOST, "asyncio at readline"),
        Goal("sluiceway at lines", "ns_per_record", 1.1, "sluiceway at readline"),
        Goal("sluiceway at frames", "ns_per_record", 1.1, "sluiceway at readline"),
        Goal("sluiceway at read_line", "ns_per_record", 1.1, "sluiceway at readline"),
    ),
    rounds=9,
    quick_rounds=3,
    contenders=tuple(CONTENDERS),
    compared="ns_per_record",
)
