"""R1: a read resumes a paused transport when the limit remains; if resume_reading() raises, it takes no byte."""

import types
from collections.abc import Callable
from typing import Any

import pytest

from support.fake_transports import CountingTransport

LINE = b"a line\n"
LIMIT = 10 * len(LINE)

READS: dict[str, Callable[[Any], Any]] = {
    "read": lambda reader: reader.read(len(LINE)),
    "readexactly": lambda reader: reader.readexactly(len(LINE)),
    "readuntil": lambda reader: reader.readuntil(b"\n"),
    "readline": lambda reader: reader.readline(),
    "read to the end": lambda reader: reader.read(),
}


class FailingTransport:
    """A transport whose first ``resume_reading()`` raises."""

    def __init__(self) -> None:
        self.resumed = 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        self.resumed += 1
        if self.resumed == 1:
            raise MemoryError


def outcome(coroutine: Any) -> Any:
    """Return the result of a read that does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as stopped:
        return stopped.value
    raise AssertionError("the read waits")


@pytest.mark.parametrize("read", READS)
def test_read_whose_resume_reading_raises_takes_no_bytes(core: types.ModuleType, read: str) -> None:
    transport = FailingTransport()
    reader = core.ReadOperations(LIMIT, None)
    reader.set_transport(transport)
    reader.feed_data(21 * LINE)
    reader.feed_eof()
    # One line more than the transport is resumed at.
    assert outcome(reader.readexactly(10 * len(LINE))) == 10 * LINE
    assert (reader._paused, transport.resumed) == (True, 0)
    with pytest.raises(MemoryError):
        outcome(READS[read](reader))
    assert outcome(reader.read(1000)) == 11 * LINE
    assert transport.resumed == 2


@pytest.mark.parametrize("read", [read for read in READS if read != "read to the end"])
def test_read_resumes_the_transport_when_at_most_the_limit_remains(core: types.ModuleType, read: str) -> None:
    transport = CountingTransport()
    reader = core.ReadOperations(LIMIT, None)
    reader.set_transport(transport)
    reader.feed_data(21 * LINE)
    for remaining in range(20, 0, -1):
        assert transport.paused == (remaining >= 10)
        assert outcome(READS[read](reader)) == LINE
    assert not transport.paused
    assert transport.pauses == 1
