"""The report, with a line per scenario."""

from __future__ import annotations

from benchmarks.cost.figures import Costs, growth

HEADINGS = ("", "instructions per message", "", "", "system calls", "", "change", "")
COLUMNS = ("scenario", "ours", "asyncio", "ratio", "ours", "asyncio", "instructions", "calls")


def change(before: float, after: float) -> str:
    return f"{100 * growth(before, after):+.1f} %"


def line_of(name: str, ours: Costs, asyncio: Costs, before: Costs) -> tuple[str, ...]:
    mine, theirs, old = ours[name], asyncio.get(name), before.get(name)
    return (
        name,
        f"{mine.instructions:,.0f}",
        f"{theirs.instructions:,.0f}" if theirs else "-",
        f"{mine.instructions / theirs.instructions:.2f}" if theirs else "-",
        f"{mine.calls:.2f}",
        f"{theirs.calls:.2f}" if theirs else "-",
        change(old.instructions, mine.instructions) if old else "new",
        change(old.calls, mine.calls) if old else "new",
    )


def table(ours: Costs, asyncio: Costs, before: Costs) -> str:
    """Return the table: scenario, instructions and system calls of both packages, and the change since ``before``."""
    lines = [COLUMNS, *(line_of(name, ours, asyncio, before) for name in ours)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    spans = [(1, 4, HEADINGS[1]), (4, 6, HEADINGS[4]), (6, 8, HEADINGS[6])]
    heading = " " * widths[0]
    for first, last, text in spans:
        heading += "  " + text.rjust(sum(widths[first:last]) + 2 * (last - first - 1))
    rows = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
    return "\n".join([heading, *rows])
