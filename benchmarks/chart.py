"""The chart: CPU of each contender relative to asyncio's streams, for the scenarios that matter to most users."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.ratios import Interval, paired
from benchmarks.report import figures
from benchmarks.results import Results
from benchmarks.scenarios import scenario_named

BASE: Final = "asyncio"
# The scenarios that matter to most users. tables.md contains all of them.
ROWS: Final = {
    "lines-64": "256-byte lines,\n64 connections",
    "lines-1000": "256-byte lines,\n1,000 connections",
    "pingpong": "1 KiB request and answer,\none connection",
    "pipelined": "100 lines in one segment,\n16 connections",
    "frames": "frames of 1 KiB,\n64 connections",
    "blocks": "records of 256 KiB,\n8 connections",
    "connect": "connect, one line,\nclose",
    "tls-lines": "TLS 1.3, 1 KiB lines,\n64 connections",
    "redis": "redis.asyncio,\n64 tasks",
}
# Colours for all kinds of colour vision (Okabe and Ito), and different shapes for prints without colour.
MARKS: Final = {
    "c": ("C, epoll", "|", "#000000"),
    "go": ("Go, net and bufio", "v", "#E69F00"),
    "uvloop": ("asyncio streams on uvloop", "s", "#009E73"),
    "aiofastnet": ("asyncio streams on aiofastnet", "D", "#CC79A7"),
    "sluiceway": ("sluiceway", "o", "#0072B2"),
}
INK: Final = "#333333"


def positions(results: Mapping[str, Results]) -> list[tuple[str, dict[str, Interval]]]:
    """Return the CPU time of each contender relative to asyncio's, paired by round, for each measured row."""
    found = []
    for name, label in ROWS.items():
        one = results.get(name)
        if one is None or not one.samples.get(BASE):
            continue
        unit = scenario_named(name).unit
        base = figures(one.samples[BASE], "cpu", unit)
        shares = {
            contender: paired(figures(one.samples[contender], "cpu", unit), base)
            for contender in MARKS
            if one.samples.get(contender)
        }
        found.append((label, shares))
    return found


def draw(results: Mapping[str, Results], directory: pathlib.Path) -> list[pathlib.Path]:
    """Write chart.svg and chart.png, unless no scenario has figures of asyncio. Needs matplotlib."""
    rows = positions(results)
    if not rows:
        return []
    import matplotlib as mpl

    mpl.use("Agg")
    # Makes the file reproducible: no random ids, no date.
    mpl.rcParams.update({"svg.hashsalt": "sluiceway", "svg.fonttype": "none", "font.size": 10, "text.color": INK})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 1.6 + 0.52 * len(rows)), facecolor="white", layout="constrained")
    _rows(axes, rows)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    axes.set_xlabel(
        "CPU for the same work, asyncio streams = 1 (less is better)\n"
        "bar: interval of sluiceway's median, at least 95 %",
        color=INK,
    )
    paths = [directory / f"chart.{kind}" for kind in ("svg", "png")]
    figure.savefig(paths[0], metadata={"Date": None})
    figure.savefig(paths[1], dpi=160, metadata={"Software": None})
    pyplot.close(figure)
    return paths


def _rows(axes: Any, rows: list[tuple[str, dict[str, Interval]]]) -> None:
    # The mark of a much slower contender is at the edge, with its figure, so that the others stay distinguishable.
    edge = min(max(1.0, *(share.median for _, shares in rows for share in shares.values())) * 1.08, 1.7)
    axes.set_xlim(0, edge)
    for contender, (title, marker, colour) in MARKS.items():
        found = [(shares[contender], at) for at, (_, shares) in enumerate(rows) if contender in shares]
        ours = contender == "sluiceway"
        axes.scatter(
            [min(share.median, edge * 0.96) for share, _ in found],
            [at for _, at in found],
            marker=marker,
            color=colour,
            s=110 if ours else 55,
            linewidths=2 if marker == "|" else 1,
            label=title,
            zorder=4 if ours else 3,
        )
        for share, at in found:
            if share.median > edge:
                _label(axes, f"{share.median:.1f}", (edge * 0.97, at), (8, -3), INK)
            if ours:
                axes.plot([share.low, min(share.high, edge)], [at, at], color="#9DBFD9", linewidth=5, zorder=1)
                _label(axes, f"{share.median:.2f}", (share.median, at), (0, -14), colour)
    axes.axvline(1, color=INK, linewidth=1, zorder=2)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.invert_yaxis()
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _label(axes: Any, text: str, place: tuple[float, float], offset: tuple[int, int], colour: str) -> None:
    axes.annotate(text, place, textcoords="offset points", xytext=offset, ha="center", fontsize=8, color=colour)
