"""Paths for Unix sockets, which must be short: the address holds about 100 bytes, pytest's own directories more."""

import os
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture
def unix_path() -> Iterator[str]:
    """A path in a directory of its own; nothing is there yet."""
    with tempfile.TemporaryDirectory(prefix="ps-", dir="/tmp") as directory:
        yield os.path.join(directory, "s")
