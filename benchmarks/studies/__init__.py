"""Studies: measurements other than the CPU time per message. Each has a file in this folder, and the worker that it
runs.

A study consists of rows that are measured in rounds. A reading contains the figures of one row in one round.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

Reading = dict[str, float]

OURS = "sluiceway"


class MissingError(Exception):
    """This row cannot be measured. The message contains what to install."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row. ``measure`` returns a reading; ``once``, if given, the figures that are the same in every round.

    ``shown``: the command that both run.
    """

    name: str
    measure: Callable[[], Reading]
    shown: tuple[str, ...]
    once: Callable[[], Reading] | None = None

    @property
    def contender(self) -> str:
        return self.name.partition(" at ")[0]


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A column of the table, for one figure."""

    figure: str
    title: str
    form: str = ",.2f"


@dataclasses.dataclass(frozen=True, slots=True)
class Goal:
    """The goal that ``figure`` of ``row`` is at most ``at_most``: itself, or relative to ``other``."""

    row: str
    figure: str
    at_most: float
    other: str | None = None
    how: Literal["times", "more"] = "times"


@dataclasses.dataclass(frozen=True, slots=True)
class Study:
    """One study. ``rows(quick)`` returns the rows that can be measured, and the reasons for the others."""

    name: str
    title: str
    rows: Callable[[bool], tuple[list[Row], dict[str, str]]]
    columns: tuple[Column, ...]
    goals: tuple[Goal, ...]
    rounds: int
    quick_rounds: int
    contenders: tuple[str, ...]
    compared: str  # the figure whose ratio of sluiceway to each row is in the table
