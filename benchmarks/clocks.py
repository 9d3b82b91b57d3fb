"""What the kernel knows of another process: its CPU time, how long it waited for a core, its resident memory."""

from __future__ import annotations

import pathlib
import time


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, from the clock that the load generator reads."""
    # What clock_getcpuclockid(3) gives, which Python does not have: CPUCLOCK_SCHED of the process.
    return time.clock_gettime((~pid << 3) | 2)


def waited_seconds(pid: int) -> float:
    """For how long the first thread of a process has waited for a core, or 0.0 where the kernel does not tell."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def resident_bytes(pid: int) -> int:
    """Resident memory, counted page by page: statm is off by what each core has not told yet."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"smaps_rollup of process {pid} has no Rss")
