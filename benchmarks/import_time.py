"""What does ``import penstock`` cost a program that has imported asyncio already?

Usage: python benchmarks/import_time.py [--rounds N] [--write]

Each round starts one interpreter for each of penstock's choices and one that imports asyncio alone, in an order that
turns from round to round. An interpreter tells how long its import took by the clock; the operating system tells the
CPU of the whole interpreter, of which the difference to asyncio alone, round by round, is the second figure. Bytecode
is cached, as it is after an installation by pip, and everything runs on one core. --write keeps every round in
benchmarks/results/import-time.json.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple

ROUNDS = 41
RESULT = pathlib.Path(__file__).resolve().parent / "results" / "import-time.json"

# Milliseconds that the import may add.
TARGET = 10.0

# Seconds for one interpreter.
PATIENCE = 30

BASELINE = "asyncio alone"
CONTENDERS: dict[str, dict[str, str]] = {
    BASELINE: {},
    "penstock, as installed": {},
    "penstock, loop's transports": {"PENSTOCK_ENGINE": "loop"},
    "penstock, pure": {"PENSTOCK_PURE": "1"},
}

SCRIPT = """
import asyncio, time
begun = time.perf_counter()
import {module}
print(time.perf_counter() - begun, getattr({module}, "IMPLEMENTATION", ""), getattr({module}, "ENGINE", ""))
"""


class Sample(NamedTuple):
    """Milliseconds of the import by the clock, milliseconds of CPU of the whole interpreter, what was imported."""

    imported: float
    cpu: float
    what: str


def measure(contender: str, cache: str) -> Sample:
    """Start one interpreter that keeps its bytecode in ``cache``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "PYTHON"))}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(module="asyncio" if contender == BASELINE else "penstock")],
        env={**inherited, **CONTENDERS[contender], "PYTHONPYCACHEPREFIX": cache},
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, *what = result.stdout.split()
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Sample(float(seconds) * 1000, cpu * 1000, " ".join(what))


def run(rounds: int) -> dict[str, list[Sample]]:
    """Return a sample of each contender for each round."""
    samples: dict[str, list[Sample]] = {name: [] for name in CONTENDERS}
    names = list(CONTENDERS)
    with tempfile.TemporaryDirectory() as cache:
        for name in names:
            measure(name, cache)
        for number in range(rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                samples[name].append(measure(name, cache))
    return samples


def summary(samples: dict[str, list[Sample]]) -> dict[str, dict[str, float]]:
    """Return the medians of each contender: the import by the clock, and CPU beyond asyncio alone in the same round."""
    return {
        name: {
            "import_ms": round(statistics.median(sample.imported for sample in rounds), 2),
            "cpu_beyond_asyncio_ms": round(
                statistics.median(
                    sample.cpu - alone.cpu for sample, alone in zip(rounds, samples[BASELINE], strict=True)
                ),
                2,
            ),
        }
        for name, rounds in samples.items()
        if name != BASELINE
    }


def processor() -> str:
    """Return the name of the processor."""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def document(samples: dict[str, list[Sample]]) -> dict[str, Any]:
    """Return all of it, with where it was measured."""
    return {
        "question": "milliseconds that import penstock adds after import asyncio",
        "target_ms": TARGET,
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()}",
        },
        "versions": {"python": platform.python_version(), "penstock": importlib.metadata.version("penstock")},
        "command": " ".join(["python", "benchmarks/import_time.py", *sys.argv[1:]]),
        "medians": summary(samples),
        "rounds": {name: [sample._asdict() for sample in rounds] for name, rounds in samples.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What import penstock costs after import asyncio.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds to measure ({ROUNDS})")
    parser.add_argument("--write", action="store_true", help=f"keep the result in {RESULT.parent.name}/{RESULT.name}")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    samples = run(arguments.rounds)
    for name, medians in summary(samples).items():
        verdict = "within" if medians["import_ms"] <= TARGET else "beyond"
        sys.stdout.write(
            f"{name} ({samples[name][0].what}): {medians['import_ms']:.2f} ms, {verdict} {TARGET:g} ms; "
            f"{medians['cpu_beyond_asyncio_ms']:.2f} ms of CPU beyond asyncio alone\n"
        )
    if arguments.write:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(document(samples), indent=1) + "\n")


if __name__ == "__main__":
    main()
