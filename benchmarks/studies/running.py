"""The rounds of a study, and its results, stored in the folder and format of the scenarios."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import environment
from benchmarks.measure import FailedError
from benchmarks.results import RESULTS
from benchmarks.studies import Reading, Study
from benchmarks.studies.catalogue import STUDIES


@dataclasses.dataclass(slots=True)
class Readings:
    """``samples``: a list per row, with a reading per round. ``missing``: why a row has no readings."""

    study: str
    environment: dict[str, Any]
    commands: dict[str, list[str]]
    samples: dict[str, list[Reading]]
    missing: dict[str, str] = dataclasses.field(default_factory=dict)

    def save(self, directory: pathlib.Path = RESULTS) -> pathlib.Path:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.study}.json"
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")
        return path


def load_all(directory: pathlib.Path = RESULTS) -> dict[str, Readings]:
    """Return the stored results by study, in the order of the studies."""
    paths = {one.name: directory / f"{one.name}.json" for one in STUDIES}
    return {name: Readings(**json.loads(path.read_text())) for name, path in paths.items() if path.exists()}


def run(
    study: Study, contenders: Sequence[str] | None, rounds: int, quick: bool, progress: Callable[[str], None]
) -> Readings:
    """Measure the rows of these contenders, or all rows. FailedError, with the row's name, if a run fails."""
    found, missing = study.rows(quick)
    rows = [row for row in found if contenders is None or row.contender in contenders]
    samples: dict[str, list[Reading]] = {row.name: [] for row in rows}
    for number in range(rounds):
        turn = number % max(1, len(rows))
        for row in [*rows[turn:], *rows[:turn]]:
            progress(f"{study.name}: round {number + 1} of {rounds}, {row.name}")
            try:
                reading = row.measure()
                if row.once is not None and number == 0:
                    reading |= row.once()
            except FailedError as failure:
                raise FailedError(f"{study.name}, {row.name}: {failure}") from failure
            samples[row.name].append(reading)
    return Readings(
        study.name,
        {**environment.describe(), "rounds": rounds, "quick": quick},
        {row.name: list(row.shown) for row in rows},
        samples,
        {name: reason for name, reason in missing.items() if contenders is None or name in contenders},
    )
