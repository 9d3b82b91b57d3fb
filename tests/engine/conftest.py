"""Tests of the epoll engine, collected only where it is in use.

The files STEPPING test how waiting tasks run and what they write. They also run with the compiled core on the loop's
transports, except tests with the mark ``engine_only``. The files LOOP_TRANSPORTS run only there. Elsewhere the tests
are ignored, not skipped: a skip would report something missing.
"""

import pathlib

import pytest

import sluiceway
from sluiceway._transports.engine_choice import ENGINE

STEPPING = {
    "test_loops_with_own_queue.py",
    "test_nested_loops.py",
    "test_shared_descriptor.py",
    "test_task_stepping.py",
    "test_tasks_with_exhausted_budget.py",
    "test_transport_given_to_program.py",
    "test_write_corking.py",
}
LOOP_TRANSPORTS = {"test_rounds_of_the_loop.py"}
HERE = pathlib.Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "engine_only: what the test expects holds on the engine only")


def pytest_ignore_collect(collection_path: pathlib.Path) -> bool | None:
    if HERE not in collection_path.parents:
        return None
    if ENGINE == "epoll":
        return True if collection_path.name in LOOP_TRANSPORTS else None
    steps = sluiceway.IMPLEMENTATION == "compiled" and collection_path.name in STEPPING | LOOP_TRANSPORTS
    return None if steps else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if ENGINE != "epoll":
        items[:] = [item for item in items if item.get_closest_marker("engine_only") is None]
