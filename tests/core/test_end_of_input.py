"""EndOfInput: which reads raise the error that ended the stream, and what eof_reason reports."""

import types
from typing import Any

import pytest

from core.core_modules import core_module, is_compiled

ERROR = ConnectionResetError("lost")


# eof_reached, exception, after_data, truncation, closed_here
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"eof_reached": True}, "clean"),
        ({"eof_reached": True, "truncation": ERROR}, "truncated"),
        ({"truncation": ERROR, "closed_here": True, "exception": ERROR}, "truncated"),
        ({"closed_here": True}, "closed"),
        ({"closed_here": True, "eof_reached": True}, "closed"),
        ({"exception": ERROR}, "reset"),
        ({"exception": ERROR, "after_data": True}, "reset"),
        ({"exception": ERROR, "eof_reached": True}, "reset"),
        ({"exception": ERROR, "eof_reached": True, "after_data": True}, "clean"),
    ],
    ids=lambda value: "-".join(value) or "nothing" if isinstance(value, dict) else value,
)
def test_reason_reports_how_the_stream_ended(
    core: types.ModuleType, fields: dict[str, Any], reason: str | None
) -> None:
    end = core_module(core, "end_of_input").EndOfInput(100)
    for name, value in fields.items():
        setattr(end, name, value)
    assert end.eof_reason() == reason


@pytest.mark.parametrize(
    ("after_data", "reached", "buffered", "enough", "due"),
    [
        (False, False, 0, False, True),
        (False, False, 9, True, True),
        (False, True, 9, True, True),
        (True, False, 0, False, True),
        (True, True, 0, True, False),
        (True, False, 9, True, False),
        (True, False, 9, False, True),
        (True, True, 9, False, False),
        (True, True, 9, True, False),
    ],
)
def test_read_raises_the_error_unless_buffered_bytes_satisfy_it(
    core: types.ModuleType, after_data: bool, reached: bool, buffered: int, enough: bool, due: bool
) -> None:
    reader = core.ReadOperations(100, None)
    end = reader._sluiceway
    end.exception, end.after_data, end.eof_reached = ERROR, after_data, reached
    if not is_compiled(core):
        assert end.error_due(buffered, enough) is due
    # readexactly() passes the same values to error_due().
    if buffered:
        reader._sluiceway.buffer.append(b"x" * buffered)
    error = outcome(reader.readexactly(buffered if enough and buffered else 20))
    assert is_raised(error, after_data) is due
    assert reader._sluiceway.buffer.size() == (buffered if due else 0), "an error takes nothing"


def is_raised(found: object, lost: bool) -> bool:
    """Whether ``found`` is ERROR as a read raises it: a copy after the loss of a connection, else the object itself."""
    if not lost:
        return found is ERROR
    return isinstance(found, ConnectionResetError) and found is not ERROR and found.args == ERROR.args


def outcome(read: Any) -> Any:
    """Return the result or the exception of a read that does not wait."""
    try:
        read.send(None)
    except StopIteration as stopped:
        return stopped.value
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error
    raise AssertionError("the read waits")


READS = {
    "read": lambda reader: reader.read(100),
    "read to the end": lambda reader: reader.read(-1),
    "readexactly": lambda reader: reader.readexactly(5),
    "readexactly of more": lambda reader: reader.readexactly(6),
    "readline": lambda reader: reader.readline(),
    "readuntil of more": lambda reader: reader.readuntil(b"|"),
}
EVENTS = {
    "lost": lambda receiver: receiver.lost(ERROR),
    "failed": lambda receiver: receiver.fail(ERROR),
    "eof then lost": lambda receiver: (receiver.eof(), receiver.lost(ERROR)),
    "eof then failed": lambda receiver: (receiver.eof(), receiver.fail(ERROR)),
    "reset then failed": lambda receiver: (receiver.lost(ConnectionResetError("reset")), receiver.fail(ERROR)),
}
# What each read returns of b"line\n"; None: it raises the error and takes nothing; "partial": IncompleteReadError.
RESULTS: dict[str, dict[str, Any]] = {
    "lost": {
        "read": b"line\n",
        "read to the end": None,
        "readexactly": b"line\n",
        "readexactly of more": None,
        "readline": b"line\n",
        "readuntil of more": None,
    },
    "failed": dict.fromkeys(READS),
    "eof then lost": {
        "read": b"line\n",
        "read to the end": b"line\n",
        "readexactly": b"line\n",
        "readexactly of more": "partial",
        "readline": b"line\n",
        "readuntil of more": "partial",
    },
    "eof then failed": dict.fromkeys(READS),
    "reset then failed": dict.fromkeys(READS),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("event", EVENTS)
def test_read_after_the_end_returns_buffered_bytes_or_the_error(core: types.ModuleType, event: str, read: str) -> None:
    reader = core.ReadOperations(100, None)
    reader.feed_data(b"line\n")
    EVENTS[event](reader._sluiceway)
    found = outcome(READS[read](reader))
    expected = RESULTS[event][read]
    if expected is None:
        assert is_raised(found, "lost" in event)
        assert reader._sluiceway.buffer.size() == 5
    elif expected == "partial":
        assert found.partial == b"line\n"
    else:
        assert found == expected
        again = outcome(READS[read](reader))
        if event == "lost":
            assert is_raised(again, True)
        else:
            # The input is complete: the loss concerns sends only.
            assert again == b"" or again.partial == b""


@pytest.mark.parametrize(("ended", "closed_here"), [("", True), ("eof", False), ("error", False)])
def test_closed_here_is_set_only_if_the_transport_ended_first(
    core: types.ModuleType, ended: str, closed_here: bool
) -> None:
    receiver = core.ReadOperations(100, None)._sluiceway
    if ended == "eof":
        receiver.eof()
    elif ended == "error":
        receiver.fail(ERROR)
    receiver.transport_ended()
    assert receiver.closed_here is closed_here


def test_incomplete_read_of_a_truncated_stream_names_the_truncation(core: types.ModuleType) -> None:
    reader = core.ReadOperations(100, None)
    reader.feed_data(b"half")
    reader._sluiceway.truncation = ERROR
    reader.feed_eof()
    error = outcome(reader.readexactly(5))
    assert (error.partial, error.__cause__, reader.eof_reason) == (b"half", ERROR, "truncated")
