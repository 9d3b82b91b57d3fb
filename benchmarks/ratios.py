"""Ratios within a run: paired round by round, their median and how sure it is.

The interval needs no assumption on the distribution: of n independent rounds, the number that fall below the true
median is binomial, so the k-th smallest and the k-th largest enclose it with a known probability.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

WANTED = 0.95


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """The median with the interval around it; six rounds or more allow a ``confidence`` of 0.95."""

    median: float
    low: float
    high: float
    confidence: float


def confidence_of(rounds: int, rank: int) -> float:
    """The probability that the true median lies between the ``rank``-th smallest and the ``rank``-th largest value."""
    outside = sum(math.comb(rounds, below) for below in range(rank)) / float(2**rounds)
    return max(0.0, 1 - 2 * outside)


def interval(values: Sequence[float], wanted: float = WANTED) -> Interval:
    """The narrowest such interval that is at least as sure as wanted, or from the least to the greatest value."""
    if not values:
        raise ValueError("an interval of no values")
    ordered = sorted(values)
    rounds = len(ordered)
    rank = 1
    while rank < (rounds + 1) // 2 and confidence_of(rounds, rank + 1) >= wanted:
        rank += 1
    return Interval(statistics.median(ordered), ordered[rank - 1], ordered[-rank], confidence_of(rounds, rank))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """The ratio ours / theirs of each round, as an interval."""
    return interval([our / their for our, their in zip(ours, theirs, strict=True)])


def more(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """The difference ours - theirs of each round, as an interval."""
    return interval([our - their for our, their in zip(ours, theirs, strict=True)])
