"""Several measurements at the same time, each on a core of its own."""

from __future__ import annotations

import compileall
import concurrent.futures
import os
import queue
from collections.abc import Iterable

from benchmarks.certificates import identity
from benchmarks.cost.callgrind import gate_library, measure
from benchmarks.cost.counts import Cost
from benchmarks.cost.package import Package
from benchmarks.cost.scenarios import Scenario


def measure_all(jobs: Iterable[tuple[Package, Scenario]], workers: int) -> dict[tuple[Package, Scenario], Cost]:
    """Return the cost of each scenario. The first measurement that fails raises FailedError."""
    jobs = list(jobs)
    for package in {package for package, _ in jobs if package.path is not None}:
        # An import that compiles leaves other addresses behind than one that finds a .pyc.
        compileall.compile_dir(str(package.path), quiet=2)
    cores = sorted(os.sched_getaffinity(0))
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for worker in range(workers):
        free.put(cores[worker % len(cores)])
    # Made once, before two measurements need them.
    gate_library()
    identity()

    def pin() -> None:
        # Loopback delivers in the order of sending on one core only. Server and driver never run at the same time.
        os.sched_setaffinity(0, {free.get()})

    with concurrent.futures.ThreadPoolExecutor(workers, initializer=pin) as pool:
        pending = {job: pool.submit(measure, *job) for job in jobs}
        try:
            return {job: one.result() for job, one in pending.items()}
        finally:
            for one in pending.values():
                one.cancel()
