"""The figures of docs/explanation/why-it-is-fast.md are those of the results that the page names."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "explanation" / "why-it-is-fast.md").read_text(encoding="utf-8")
TABLES = (ROOT / "benchmarks" / "results" / "tables.md").read_text(encoding="utf-8")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|\n").split("|")]


def figures_of_page() -> dict[tuple[str, str], str]:
    """Return the figures of the page's table, by scenario and contender."""
    header, _, *rows = [cells(line) for line in PAGE.splitlines() if line.startswith("|")]
    return {(row[0], name): figure for row in rows for name, figure in zip(header[1:], row[1:], strict=True)}


def measured(scenario: str, contender: str) -> list[str]:
    """Return the row of the tables: contender, CPU time, sluiceway's ratio to it, and more."""
    section = TABLES.partition(f"\n## {scenario}: ")[2].partition("\n## ")[0]
    [row] = [row for line in section.splitlines() if (row := cells(line))[0] == contender]
    return row


def test_figures_of_the_page_are_in_the_tables() -> None:
    figures = figures_of_page()
    assert len(figures) >= 20
    assert figures == {key: measured(*key)[1] for key in figures}


def test_ratios_of_the_page_are_in_the_tables() -> None:
    ratios = re.findall(r"`([a-z0-9-]+)`, (\d\.\d\d)", PAGE)
    assert len(ratios) >= 4
    assert ratios == [(scenario, measured(scenario, "asyncio")[2]) for scenario, _ in ratios]


def test_instruction_counts_of_the_page_are_those_of_make_cost() -> None:
    counted = json.loads((ROOT / "benchmarks" / "cost" / "figures.json").read_text(encoding="utf-8"))
    text = json.dumps(counted)
    shown = re.findall(r"\d{1,2},\d{3}", PAGE)
    assert len(shown) == 3
    missing = [figure for figure in shown if f'"instructions": {figure.replace(",", "")}' not in text]
    assert missing == []
