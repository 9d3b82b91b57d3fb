"""The statistics of the benchmarks, on data with known results."""

import random
import statistics

import pytest

from benchmarks.ratios import confidence_of, interval, paired


@pytest.mark.parametrize(
    ("rounds", "rank", "expected"),
    [(1, 1, 0.0), (3, 1, 0.75), (5, 1, 0.9375), (6, 1, 0.96875), (9, 2, 1 - 20 / 512)],
)
def test_confidence_of_ranks_is_binomial(rounds: int, rank: int, expected: float) -> None:
    assert confidence_of(rounds, rank) == pytest.approx(expected)


def test_interval_of_nine_rounds_leaves_out_extremes_at_95_percent() -> None:
    result = interval([9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0])
    assert (result.low, result.median, result.high) == (2.0, 5.0, 8.0)
    assert result.confidence >= 0.95


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_interval_of_few_rounds_is_whole_range_below_95_percent(count: int) -> None:
    values = [float(value) for value in range(count)]
    result = interval(values)
    assert (result.low, result.high) == (values[0], values[-1])
    assert result.confidence < 0.95


def test_ratio_is_computed_for_each_round() -> None:
    # Both take twice as long in the second round, so the ratio is the same.
    result = paired([1.0, 2.0, 1.5], [2.0, 4.0, 3.0])
    assert (result.low, result.median, result.high) == (0.5, 0.5, 0.5)


def test_lists_of_different_length_or_without_values_raise() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="empty list"):
        interval([])


def test_interval_contains_median_as_often_as_its_confidence() -> None:
    generator = random.Random(1)
    contains_median = []
    for _ in range(2000):
        result = interval([generator.lognormvariate(0, 1) for _ in range(9)])
        contains_median.append(result.low <= 1.0 <= result.high)  # the median of this distribution is 1
    assert statistics.mean(contains_median) == pytest.approx(confidence_of(9, 2), abs=0.015)
