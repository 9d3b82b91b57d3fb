"""A fixture of the tests of Stream."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest


@pytest.fixture
def fail_to_make_stream(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """Return a context manager: in its block, the last step of every opening raises, as a signal handler may."""

    def fail(*_: object) -> None:
        raise LookupError("in a signal handler")

    @contextlib.contextmanager
    def failing() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(sys.modules["sluiceway.stream.halves"], "_connections_of", fail)
            with pytest.raises(LookupError, match="in a signal handler"):
                yield

    return failing
