"""Tests of the epoll engine, collected only where it is in use.

Without the engine they are ignored, not skipped: a skip would report something missing.
"""

import pathlib

from sluiceway._transports.engine_choice import ENGINE


def pytest_ignore_collect(collection_path: pathlib.Path) -> bool | None:
    here = pathlib.Path(__file__).parent
    return True if ENGINE != "epoll" and here in collection_path.parents else None
