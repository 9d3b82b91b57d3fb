"""Source files and the README are short enough to read."""

import pathlib
import statistics

import pytest

from architecture.sources import Source, package_sources

LONGEST = 500
MEDIAN = 150
README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
README_LONGEST = 120

FILES = [source for source in package_sources() if source.path.suffix != ".pyi"]


def lines(source: Source) -> int:
    return len(source.text().splitlines())


@pytest.mark.parametrize("source", FILES, ids=lambda source: source.name)
def test_file_has_at_most_500_lines(source: Source) -> None:
    assert lines(source) <= LONGEST


def test_median_length_is_at_most_150_lines() -> None:
    assert statistics.median(lines(source) for source in FILES if not source.is_package) <= MEDIAN


def test_readme_has_at_most_120_lines() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= README_LONGEST
