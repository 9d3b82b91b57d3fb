"""Studies: questions whose answer is no CPU time per message. Each has a file of its own here, and the worker it runs.

A study is rows that are measured in turn, in rounds; a reading is what one of them shows in one round, by figure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

Reading = dict[str, float]

OURS = "sluiceway"


class MissingError(Exception):
    """This row cannot be measured here; the message says what would bring it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """``measure`` gives one reading; ``once``, if given, what is the same in every round, for the first reading.

    ``shown`` is the command that they run.
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
    """A figure as the table shows it."""

    figure: str
    title: str
    form: str = ",.2f"


@dataclasses.dataclass(frozen=True, slots=True)
class Goal:
    """That ``figure`` of ``row`` is at most ``at_most``: by itself, or so many times, or so much more than, other's."""

    row: str
    figure: str
    at_most: float
    other: str | None = None
    how: Literal["times", "more"] = "times"


@dataclasses.dataclass(frozen=True, slots=True)
class Study:
    """``rows(quick)`` gives what can be measured here, and for what cannot the reason."""

    name: str
    title: str
    rows: Callable[[bool], tuple[list[Row], dict[str, str]]]
    columns: tuple[Column, ...]
    goals: tuple[Goal, ...]
    rounds: int
    quick_rounds: int
    contenders: tuple[str, ...]
    compared: str  # the figure of which the table has the ratio of sluiceway to each row
