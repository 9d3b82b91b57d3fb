"""Does the cost of a long record depend only on its length, and not on the size of its chunks?

readuntil() waits for the end of a record of 10 MB that is fed to the reader in chunks, below the limit. Searched bytes
and memory are counted in separate runs, which are not timed.
"""

from __future__ import annotations

import functools
import pathlib
import sys
from collections.abc import Mapping
from typing import Final

from benchmarks.contenders import PURE
from benchmarks.measure import cores, pinned, relative
from benchmarks.studies import Column, Goal, Reading, Row, Study
from benchmarks.studies.worker import reading_of

SIZE: Final = 10_000_000
LITTLE: Final = 1_000_000  # with --quick
CHUNKS: Final = (1, 16, 256, 4096, 65536)
LIMIT_BEYOND: Final = 1024  # by this number of bytes, the limit exceeds the record
ALLOWED_BEYOND: Final = 32 * 1024  # contract R3: the bound is 2 x limit plus this size

WORKER: Final = pathlib.Path(__file__).resolve().with_name("growth_worker.py")
COMPILED: Final = {"SLUICEWAY_PURE": "0"}
CONTENDERS: Final[dict[str, tuple[str, Mapping[str, str]]]] = {
    "asyncio": ("asyncio", {}),
    "sluiceway": ("sluiceway", COMPILED),
    "sluiceway-pure": ("sluiceway", PURE),
}


def measured(command: list[str], variables: Mapping[str, str]) -> Reading:
    return reading_of(pinned(command, cores().measured), variables)


def commands(contender: str, chunk: int, size: int) -> dict[str, list[str]]:
    """Return a reading with each measure that the worker supports for this contender."""
    options = {"streams": CONTENDERS[contender][0], "size": size, "chunk": chunk, "limit": size + LIMIT_BEYOND}
    command = [sys.executable, str(WORKER)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    # Searches can be counted only in the pure core, whose files are those of the compiled one.
    measures = ["time", "held", *(["looked"] if contender == "sluiceway-pure" else [])]
    return {measure: [*command, "--what", measure] for measure in measures}


def counted(found: Mapping[str, list[str]], variables: Mapping[str, str]) -> Reading:
    reading: Reading = {}
    for what, command in found.items():
        if what != "time":
            reading |= measured(command, variables)
    return reading


def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
    made = []
    for contender, (_, variables) in CONTENDERS.items():
        for chunk in CHUNKS:
            found = commands(contender, chunk, LITTLE if quick else SIZE)
            made.append(
                Row(
                    f"{contender} at {chunk}",
                    functools.partial(measured, found["time"], variables),
                    (*(f"{key}={value}" for key, value in variables.items()), *map(relative, found["time"])),
                    functools.partial(counted, found, variables),
                )
            )
    return made, {}


# Memory per received byte: the bound of R3 for a record as long as the limit.
HELD: Final = 2 + (2 * LIMIT_BEYOND + ALLOWED_BEYOND) / SIZE

STUDY: Final = Study(
    "growth",
    "readuntil of one record of 10 MB, by size of the chunks in bytes",
    rows,
    (
        Column("ns_per_byte", "CPU ns/byte", ".3f"),
        Column("held", "held/received", ".3f"),
        Column("looked", "looked at/received", ".4f"),
    ),
    (
        *(Goal(f"sluiceway-pure at {chunk}", "looked", 2) for chunk in CHUNKS),
        *(Goal(f"{ours} at {chunk}", "held", HELD) for ours in ("sluiceway", "sluiceway-pure") for chunk in CHUNKS),
    ),
    rounds=3,
    quick_rounds=3,
    contenders=tuple(CONTENDERS),
    compared="ns_per_byte",
)
