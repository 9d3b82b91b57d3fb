"""The engine's own tests; left out as a whole where it does not carry the connections.

They are left out and not skipped: where it is not installed or not chosen there is nothing that could be missing.
"""

import pathlib

from sluiceway._transports.engine_choice import ENGINE


def pytest_ignore_collect(collection_path: pathlib.Path) -> bool | None:
    here = pathlib.Path(__file__).parent
    return True if ENGINE != "epoll" and here in collection_path.parents else None
