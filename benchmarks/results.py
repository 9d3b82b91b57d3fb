"""The results of a scenario, stored in results/NAME.json: every round of every contender, and the environment."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

from benchmarks.measure import Sample
from benchmarks.scenarios import SCENARIOS

RESULTS = pathlib.Path(__file__).resolve().parent / "results"


@dataclasses.dataclass(slots=True)
class Results:
    """``samples``: a list per contender, with a sample per round. ``missing``: why a contender has no samples.

    The results of a real program also contain the samples of the raw scenario for its floor, and a profile of each
    round; see saving.py.
    """

    scenario: str
    environment: dict[str, Any]
    commands: dict[str, list[str]]
    samples: dict[str, list[Sample]]
    missing: dict[str, str] = dataclasses.field(default_factory=dict)
    raw: dict[str, list[Sample]] = dataclasses.field(default_factory=dict)
    profiles: list[dict[str, int]] = dataclasses.field(default_factory=list)

    def save(self, directory: pathlib.Path = RESULTS) -> pathlib.Path:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.scenario}.json"
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")
        return path


def load(path: pathlib.Path) -> Results:
    known = json.loads(path.read_text())
    for field in ("samples", "raw"):
        known[field] = {name: [Sample(**one) for one in rounds] for name, rounds in known.get(field, {}).items()}
    return Results(**known)


def load_all(directory: pathlib.Path = RESULTS) -> dict[str, Results]:
    """Return the stored results by scenario, in the order of the scenarios."""
    paths = {one.name: directory / f"{one.name}.json" for one in SCENARIOS}
    return {name: load(path) for name, path in paths.items() if path.exists()}
