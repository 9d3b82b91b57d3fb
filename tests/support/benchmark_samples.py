"""Benchmark samples of increasing duration, since a short one may see no activity on a busy machine."""

from collections.abc import Callable

from benchmarks.measure import Sample

DURATIONS = (0.05, 0.5, 5.0)


def sample_until_active(sample: Callable[[float], Sample]) -> Sample:
    """Return the first sample with any activity, else the longest one."""
    for seconds in DURATIONS:
        found = sample(seconds)
        if found.messages and found.bytes and found.cpu_seconds:
            break
    return found
