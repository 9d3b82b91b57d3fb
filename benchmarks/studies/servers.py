"""The servers of a study: those that are available, and the reasons for the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from benchmarks import contenders, measure
from benchmarks.contenders import Contender, contender_named
from benchmarks.scenarios import Scenario


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server. ``command``: its command line. ``shown``: the command line and environment variables in the results."""

    name: str
    contender: Contender
    command: list[str]
    shown: tuple[str, ...]


def servers(names: Iterable[str], scenario: Scenario) -> tuple[list[Server], dict[str, str]]:
    """Return the servers of this scenario by the names of the contenders, and the reasons for the missing ones."""
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
