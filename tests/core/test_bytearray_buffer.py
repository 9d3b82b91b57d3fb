"""S12: BytearrayBuffer reads the bytearray that the program may change at any time through ``reader._buffer``."""

import gc
import sys
import types
import weakref

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from core.buffer_machine import WORDS, BufferMachine, run_machine

NEWLINE = (b"\n",)


class SharedBytearrayMachine(BufferMachine):
    """The operations of a buffer, and changes that the program makes to the bytearray between them."""

    def __init__(self, core: types.ModuleType, data: bytearray) -> None:
        super().__init__(lambda: core.BytearrayBuffer(data))
        self.shared = data
        self.model = bytes(data)
        self.view: memoryview | None = None
        self.viewed = b""

    @precondition(lambda self: self.view is None)
    @rule(data=WORDS)
    def program_extends(self, data: bytes) -> None:
        self.shared.extend(data)
        self.model += data

    @precondition(lambda self: self.view is None)
    @rule(data=WORDS)
    def program_inserts_at_front(self, data: bytes) -> None:
        self.shared[0:0] = data
        self.model = data + self.model

    @precondition(lambda self: self.view is None)
    @rule(first=st.floats(0, 1), second=st.floats(0, 1))
    def program_deletes_a_slice(self, first: float, second: float) -> None:
        low, high = sorted((self.place(first), self.place(second)))
        del self.shared[low:high]
        self.model = self.model[:low] + self.model[high:]

    @precondition(lambda self: self.view is None)
    @rule()
    def program_clears(self) -> None:
        self.shared.clear()
        self.model = b""

    @precondition(lambda self: self.view is None)
    @rule()
    def program_exports_a_view(self) -> None:
        self.view, self.viewed = memoryview(self.shared), self.model

    @precondition(lambda self: self.view is not None)
    @rule()
    def program_releases_the_view(self) -> None:
        assert self.view is not None
        assert self.view == self.viewed
        self.view.release()
        self.view = None
        self.shared = self.buffer.data

    @invariant()
    def program_sees_the_buffered_bytes(self) -> None:
        assert self.view is not None or self.buffer.data is self.shared
        assert self.buffer.data == self.model


def test_random_operations_and_program_changes_match_the_bytearray(core: types.ModuleType) -> None:
    run_machine(lambda: SharedBytearrayMachine(core, bytearray(b"before")))


@pytest.mark.parametrize("cut", range(1, 6))
def test_pattern_across_the_end_of_a_viewed_bytearray_is_found(core: types.ModuleType, cut: int) -> None:
    data = bytearray(b"12--en"[:cut])
    buffer = core.BytearrayBuffer(data)
    with memoryview(data):
        buffer.append(b"12--end--"[cut:])
        assert [buffer.find(b"--end-", start, 9) for start in range(4)] == [2, 2, 2, -1]
        assert buffer.take(1) == b"1"
        assert buffer.find(b"--end-", 0, 8) == 1
        assert buffer.matches(b"--end--", 1)
        assert not buffer.matches(b"--end--x", 1)


def test_read_while_a_view_exists_does_not_change_the_viewed_bytearray(core: types.ModuleType) -> None:
    data = bytearray(b"read, unread")
    buffer = core.BytearrayBuffer(data)
    with memoryview(data):
        assert buffer.take(6) == b"read, "
        assert buffer.append(b", more") == len(b"unread, more")
    assert data == b"read, unread"
    assert buffer.data == b"unread, more"
    assert buffer.take_all() == b"unread, more"


def buffer_with_remembered_search(core: types.ModuleType, data: bytearray) -> types.SimpleNamespace:
    buffer = core.BytearrayBuffer(data)
    buffer.remember_search(NEWLINE, len(data))
    return buffer


def test_search_of_the_same_read_continues_where_it_stopped(core: types.ModuleType) -> None:
    buffer = buffer_with_remembered_search(core, bytearray(b"no end here"))
    buffer.append(b", nor here")
    assert buffer.searched(NEWLINE, True) == 11
    assert buffer.searched((b"e",), True) == 0


def test_search_of_another_read_starts_at_the_first_byte(core: types.ModuleType) -> None:
    data = bytearray(b"no end here")
    buffer = buffer_with_remembered_search(core, data)
    data[2:3] = b"\n"
    assert buffer.searched(NEWLINE, False) == 0


def test_search_restarts_after_the_program_resized_the_bytearray(core: types.ModuleType) -> None:
    data = bytearray(b"no end here")
    buffer = buffer_with_remembered_search(core, data)
    del data[:2]
    buffer.append(b"xx")
    assert buffer.searched(NEWLINE, True) == 0


def test_search_restarts_after_the_program_accessed_the_bytearray(core: types.ModuleType) -> None:
    buffer = buffer_with_remembered_search(core, bytearray(b"no end here"))
    buffer.forget_search()
    assert buffer.searched(NEWLINE, True) == 0


class ReplacedBytearray(bytearray):
    """A bytearray that can have weak references."""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="garbage is collected between bytecodes only")
@pytest.mark.parametrize("allocations", range(1, 7))
@pytest.mark.parametrize("prepended", [False, True])
def test_bytearray_that_a_collection_replaces_during_a_take_is_not_freed_before_its_end(
    core: types.ModuleType, allocations: int, prepended: bool
) -> None:
    """Python 3.11 collects garbage within compiled code, which would use the freed bytearray."""
    buffer = core.BytearrayBuffer(ReplacedBytearray(b"first"))
    freed: list[bool] = []

    def replace(phase: str, info: object) -> None:
        if not freed:
            freed.append(False)
            whole = weakref.ref(buffer.data)
            with memoryview(buffer.data):
                if prepended:
                    buffer.prepend(b"zero")
                else:
                    buffer.append(b" second")
            freed.append(whole() is None)

    thresholds = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(replace)
    # The collection begins with one of the allocations of the call.
    gc.set_threshold(allocations)
    try:
        buffer.take(5)
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(replace)
    assert freed != [False, True]
