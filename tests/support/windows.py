"""How long a test looks at a benchmark: briefly, and on a busy machine for as long as it takes to see something."""

from collections.abc import Callable

from benchmarks.measure import Sample

SECONDS = (0.05, 0.5, 5.0)


def looked_at(sample: Callable[[float], Sample]) -> Sample:
    """Return what the first window showed in which anything was done, else the last one's."""
    for seconds in SECONDS:
        found = sample(seconds)
        if found.messages and found.bytes and found.cpu_seconds:
            break
    return found
