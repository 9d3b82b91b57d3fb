"""The units of the load generator form layers: a file includes only its own header and headers of lower layers.

A unit is a .c file together with the .h file of the same name.
"""

from __future__ import annotations

import graphlib
import pathlib
import re
from typing import Final

import pytest

from benchmarks import compiling

LOAD: Final = compiling.HERE / "load"
FILES: Final = sorted(LOAD.glob("*.[ch]"))
INCLUDE: Final = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
MAX_LINES: Final = 250
LAYERS: Final = (  # from the lowest to the highest
    ("failure", "histogram"),
    ("options",),
    ("clocks",),
    ("payload", "measurement"),
    ("poller",),
    ("tcp", "tls"),
    ("connection",),
    ("request_response", "short_lived", "sink", "source"),
    ("main",),
)
LAYER_OF: Final = {unit: number for number, units in enumerate(LAYERS) for unit in units}


def included_units(path: pathlib.Path) -> set[str]:
    """Return the other units whose headers the file includes."""
    return {pathlib.PurePath(name).stem for name in INCLUDE.findall(path.read_text(encoding="utf-8"))} - {path.stem}


def test_every_unit_has_one_layer() -> None:
    assert sum(len(units) for units in LAYERS) == len(LAYER_OF)
    assert {path.stem for path in FILES} == set(LAYER_OF)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_includes_only_lower_layers(path: pathlib.Path) -> None:
    assert {unit for unit in included_units(path) if LAYER_OF[unit] >= LAYER_OF[path.stem]} == set()


def test_includes_have_no_cycle() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        graph.setdefault(path.stem, set()).update(included_units(path))
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(LAYER_OF)


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".c"], ids=lambda path: path.name)
def test_unit_includes_its_own_header_first(path: pathlib.Path) -> None:
    headers = INCLUDE.findall(path.read_text(encoding="utf-8"))
    assert path.stem == "main" or headers[0] == f"{path.stem}.h"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_has_at_most_250_lines(path: pathlib.Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
