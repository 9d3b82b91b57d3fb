"""Paths for Unix sockets: an address has at most about 100 bytes, and pytest's folders have more."""

import os
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture
def unix_path() -> Iterator[str]:
    """A path in a new folder; nothing exists there yet."""
    with tempfile.TemporaryDirectory(prefix="ps-", dir="/tmp") as directory:
        yield os.path.join(directory, "s")
