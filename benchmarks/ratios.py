"""Ratios within a run, paired by round: their median and its confidence interval.

The interval needs no assumption about the distribution. Of n independent rounds, the number below the true median has a
binomial distribution. So the k-th smallest and the k-th largest value enclose the median with a known probability.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

WANTED = 0.95


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """The median and its interval. A ``confidence`` of 0.95 needs at least six rounds."""

    median: float
    low: float
    high: float
    confidence: float


def confidence_of(rounds: int, rank: int) -> float:
    """Return the probability that the true median is between the ``rank``-th smallest and ``rank``-th largest value."""
    outside = sum(math.comb(rounds, below) for below in range(rank)) / float(2**rounds)
    return max(0.0, 1 - 2 * outside)


def interval(values: Sequence[float], wanted: float = WANTED) -> Interval:
    """Return the narrowest interval with the wanted confidence, or from the smallest to the largest value."""
    if not values:
        raise ValueError("the interval of an empty list is undefined")
    ordered = sorted(values)
    rounds = len(ordered)
    rank = 1
    while rank < (rounds + 1) // 2 and confidence_of(rounds, rank + 1) >= wanted:
        rank += 1
    return Interval(statistics.median(ordered), ordered[rank - 1], ordered[-rank], confidence_of(rounds, rank))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Return the interval of the ratios ours / theirs of the rounds."""
    return interval([our / their for our, their in zip(ours, theirs, strict=True)])


def more(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Return the interval of the differences ours - theirs of the rounds."""
    return interval([our - their for our, their in zip(ours, theirs, strict=True)])
