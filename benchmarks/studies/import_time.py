"""What does ``import sluiceway`` cost in a program that has imported asyncio?

Each round starts an interpreter for each configuration of sluiceway, and one that imports only asyncio. An interpreter
prints the elapsed time of its import. The second figure is the difference of the interpreter's CPU time to that with
only asyncio, paired by round. Bytecode is cached, as after an installation with pip.
"""

from __future__ import annotations

import functools
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from benchmarks import compiling
from benchmarks.contenders import ENGINE, PURE
from benchmarks.measure import FailedError, cores, pinned
from benchmarks.studies import Column, Goal, Reading, Row, Study

MILLISECONDS: Final = 10.0  # that the import may add
PATIENCE: Final = 30
ALONE: Final = "asyncio"
CONTENDERS: Final[dict[str, Mapping[str, str]]] = {
    ALONE: {},
    "sluiceway": ENGINE,
    "sluiceway-loop": {"SLUICEWAY_PURE": "0", "SLUICEWAY_ENGINE": "loop"},
    "sluiceway-pure": PURE,
}
SCRIPT: Final = "import asyncio, time; begun = time.perf_counter(); import {module}; print(time.perf_counter() - begun)"


def command(contender: str) -> list[str]:
    return [sys.executable, "-c", SCRIPT.format(module="asyncio" if contender == ALONE else "sluiceway")]


def measured(contender: str) -> Reading:
    """Start one interpreter and return its reading."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SLUICEWAY_", "PYTHON"))}
    cache = {"PYTHONPYCACHEPREFIX": str(compiling.BUILD / "bytecode")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        pinned(command(contender), cores().measured),
        env={**inherited, **CONTENDERS[contender], **cache},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise FailedError(done.stderr.decode(errors="replace").strip()[-2000:])
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"import_ms": float(done.stdout) * 1000, "cpu_ms": cpu * 1000}


def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
    for contender in CONTENDERS:
        measured(contender)  # writes the bytecode
    found = [
        Row(
            contender,
            functools.partial(measured, contender),
            (*(f"{key}={value}" for key, value in CONTENDERS[contender].items()), "python", *command(contender)[1:]),
        )
        for contender in CONTENDERS
    ]
    return found, {}


STUDY: Final = Study(
    "import-time",
    "import sluiceway after import asyncio, in a new interpreter",
    rows,
    (Column("import_ms", "import ms"), Column("cpu_ms", "interpreter's CPU ms")),
    (
        *(Goal(name, "import_ms", MILLISECONDS) for name in CONTENDERS if name != ALONE),
        *(Goal(name, "cpu_ms", MILLISECONDS, ALONE, "more") for name in CONTENDERS if name != ALONE),
    ),
    rounds=41,
    quick_rounds=9,
    contenders=tuple(CONTENDERS),
    compared="cpu_ms",
)
