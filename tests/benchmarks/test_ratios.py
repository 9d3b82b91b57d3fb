"""The statistics of the benchmarks, on figures whose answer is known."""

import random
import statistics

import pytest

from benchmarks.ratios import confidence_of, interval, paired


@pytest.mark.parametrize(
    ("rounds", "rank", "expected"),
    [(1, 1, 0.0), (3, 1, 0.75), (5, 1, 0.9375), (6, 1, 0.96875), (9, 2, 1 - 20 / 512)],
)
def test_the_confidence_of_a_pair_of_ranks_is_the_binomial_one(rounds: int, rank: int, expected: float) -> None:
    assert confidence_of(rounds, rank) == pytest.approx(expected)


def test_nine_rounds_let_the_extremes_go_and_keep_95_percent() -> None:
    found = interval([9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0])
    assert (found.low, found.median, found.high) == (2.0, 5.0, 8.0)
    assert found.confidence >= 0.95


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_rounds_give_the_whole_range_and_say_how_little_that_is_worth(count: int) -> None:
    values = [float(value) for value in range(count)]
    found = interval(values)
    assert (found.low, found.high) == (values[0], values[-1])
    assert found.confidence < 0.95


def test_a_ratio_is_taken_round_by_round() -> None:
    # Both take twice as long in the second round: the ratio does not notice.
    found = paired([1.0, 2.0, 1.5], [2.0, 4.0, 3.0])
    assert (found.low, found.median, found.high) == (0.5, 0.5, 0.5)


def test_rounds_without_a_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="no values"):
        interval([])


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    generator = random.Random(1)
    held = []
    for _ in range(2000):
        found = interval([generator.lognormvariate(0, 1) for _ in range(9)])
        held.append(found.low <= 1.0 <= found.high)  # the median of this distribution is 1
    assert statistics.mean(held) == pytest.approx(confidence_of(9, 2), abs=0.015)
