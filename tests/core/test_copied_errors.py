"""The copy of a stored error that a read, a drain or a wait raises."""

import asyncio
import ssl
from typing import Any

import pytest

from sluiceway._errors import copy_error


class TwoArgumentsError(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


class NoCopyError(OSError):
    def __copy__(self) -> "NoCopyError":
        raise RuntimeError


def renamed(error: OSError) -> OSError:
    error.strerror = f"{error.strerror} (192.0.2.7:443)"
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(104, "Connection reset by peer"),
        renamed(ConnectionResetError(104, "Connection reset by peer")),
        renamed(ssl.SSLEOFError(8, "EOF occurred")),
        FileNotFoundError(2, "No such file", "/a", None, "/b"),
        ConnectionResetError(),
        asyncio.IncompleteReadError(b"part", 10),
        MemoryError(),
    ],
    ids=repr,
)
def test_copy_has_class_text_attributes_and_cause_but_no_traceback(error: Any) -> None:
    error.__cause__ = ValueError("cause")
    error.add_note("note")
    error.attribute = object()
    try:
        raise error
    except BaseException:  # noqa: BLE001 - only for the traceback
        copied: Any = copy_error(error)
    assert copied is not error
    assert (type(copied), str(copied), copied.args) == (type(error), str(error), error.args)
    assert (copied.__cause__, copied.__notes__, copied.attribute) == (error.__cause__, ["note"], error.attribute)
    assert copied.__traceback__ is None


def test_note_added_to_a_copy_is_not_in_the_next_copy() -> None:
    error = ConnectionResetError(104, "Connection reset by peer")
    error.add_note("note")
    copy_error(error).add_note("note of the program")
    assert copy_error(error).__notes__ == ["note"]


@pytest.mark.parametrize("error", [TwoArgumentsError("one", "two"), NoCopyError("x")], ids=repr)
def test_error_that_cannot_be_copied_is_returned_itself(error: BaseException) -> None:
    assert copy_error(error) is error
