"""Run a test that takes ``streams`` on asyncio's streams and on sluiceway's.

``streams`` is the module asyncio, the reference, or sluiceway. A wrong expectation about asyncio fails on the
reference. A contract that asyncio does not meet is tested on sluiceway alone, by importing it, or with a marker that
names how the reference fails.

Marker, which has no effect on sluiceway:
    reference_fails(contract, reason, when=None, run=True): asyncio is known to fail this test; the test fails if
        asyncio passes it. ``when``, given the kind of loop ("asyncio" for a test without one), says whether it fails
        there; ``run=False`` if the test would end the process.
"""

import asyncio
import importlib
import os
import types
from typing import Any

import pytest

REFERENCE = "asyncio"
# SLUICEWAY_TEST_REFERENCE=0 leaves out the reference, which is the same in every configuration of tools/test.py.
IMPLEMENTATIONS = ("sluiceway",) if os.environ.get("SLUICEWAY_TEST_REFERENCE") == "0" else (REFERENCE, "sluiceway")

_KNOWN_FAILURE = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "reference_fails(contract, reason, when=None, run=True): asyncio fails this")


@pytest.fixture(params=IMPLEMENTATIONS)
def streams(request: pytest.FixtureRequest) -> types.ModuleType:
    if request.param == REFERENCE:
        assert asyncio.StreamReader.__module__ == "asyncio.streams", (
            "asyncio is not the reference while sluiceway is installed"
        )
        return asyncio
    return importlib.import_module(request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("reference_fails"):
            if runs_on_reference(item) and (reason := _expected(item, *mark.args, **mark.kwargs)):
                item.stash[_KNOWN_FAILURE] = True
                item.add_marker(pytest.mark.xfail(strict=True, reason=reason, run=mark.kwargs.get("run", True)))


def _expected(item: pytest.Item, contract: str, reason: str, when: Any = None, run: bool = True) -> str:
    if when is not None and not when(_parameters(item).get("loop_kind", "asyncio")):
        return ""
    return f"{contract}: {reason}"


def _parameters(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}


def runs_on_reference(item: pytest.Item) -> bool:
    """Return whether this test runs on asyncio's own streams."""
    return _parameters(item).get("streams") == REFERENCE


def is_known_failure(item: pytest.Item) -> bool:
    """Return whether a marker expects this test to fail on the reference."""
    return item.stash.get(_KNOWN_FAILURE, False)
