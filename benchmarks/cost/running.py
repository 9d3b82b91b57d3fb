"""Run several measurements in parallel, each on its own core."""

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
    """Return the cost of each scenario. FailedError if a measurement fails."""
    jobs = list(jobs)
    for package in {package for package, _ in jobs if package.path is not None}:
        # Object addresses after an import depend on whether the .pyc file existed.
        compileall.compile_dir(str(package.path), quiet=2)
    cores = sorted(os.sched_getaffinity(0))
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for worker in range(workers):
        free.put(cores[worker % len(cores)])
    # Created before the parallel measurements, which would both create them.
    gate_library()
    identity()

    def pin() -> None:
        # Loopback delivers in the order of sending only on one core. The server and the driver never run at the same
        # time.
        os.sched_setaffinity(0, {free.get()})

    with concurrent.futures.ThreadPoolExecutor(workers, initializer=pin) as pool:
        pending = {job: pool.submit(measure, *job) for job in jobs}
        try:
            return {job: one.result() for job, one in pending.items()}
        finally:
            for one in pending.values():
                one.cancel()
