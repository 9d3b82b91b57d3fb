"""The servers that a study looks at: those that can be had here, and for the others the reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from benchmarks import contenders, measure
from benchmarks.contenders import Contender, contender_named
from benchmarks.scenarios import Scenario


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """``command`` starts it; ``shown`` is that, with its variables, as results keep it."""

    name: str
    contender: Contender
    command: list[str]
    shown: tuple[str, ...]


def servers(names: Iterable[str], scenario: Scenario) -> tuple[list[Server], dict[str, str]]:
    """The servers of this scenario by contenders' names, and the missing ones' reasons."""
    found, missing = [], {}
    for name in names:
        contender = contender_named(name)
        try:
            command = contender.command(scenario)
        except contenders.MissingError as reason:
            missing[name] = str(reason)
            continue
        variables = (f"{key}={value}" for key, value in contender.variables.items())
        found.append(Server(name, contender, command, (*variables, *map(measure.relative, command))))
    return found, missing
