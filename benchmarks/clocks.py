"""The CPU time, the run-queue time and the resident memory of another process, from the kernel."""

from __future__ import annotations

import pathlib
import time


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of all threads of a process, from the clock that the load generator reads."""
    # The result of clock_getcpuclockid(3), which Python does not have: CPUCLOCK_SCHED of the process.
    return time.clock_gettime((~pid << 3) | 2)


def waited_seconds(pid: int) -> float:
    """Return the seconds that a process's first thread has waited for a core. 0.0 if the kernel does not report it."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def resident_bytes(pid: int) -> int:
    """Return the resident memory, counted by page. statm does not include the pending updates of each core."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"smaps_rollup of process {pid} has no Rss")
