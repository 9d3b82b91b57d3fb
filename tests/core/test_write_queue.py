"""WriteQueue returns the appended bytes in order, and keeps its invariants at every step."""

import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from core.core_modules import core_module, is_compiled
from core.counting_list import CountingList

PIECES = st.binary(min_size=1, max_size=8)


class WriteQueueMachine(RuleBasedStateMachine):
    """Drives a queue and its model: a bytearray of the pending bytes and a list of the lengths of their pieces."""

    def __init__(self, queue: Any, check_fields: Callable[[Any], None]) -> None:
        super().__init__()
        self.queue = queue
        self.check_fields = check_fields
        self.model = bytearray()
        self.lengths: list[int] = []

    @rule(piece=PIECES)
    def append(self, piece: bytes) -> None:
        self.queue.append(piece)
        self.model += piece
        self.lengths.append(len(piece))

    @rule(pieces=st.lists(PIECES, min_size=30, max_size=90))
    def append_many(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.append(piece)

    @rule(where=st.floats(0, 1))
    def advance_any_amount(self, where: float) -> None:
        self.advance(round(where * len(self.model)))

    @rule()
    def advance_first_piece(self) -> None:
        self.advance(self.lengths[0] if self.lengths else 0)

    @rule(count=st.integers(1, 80))
    def advance_bytewise(self, count: int) -> None:
        for _ in range(min(count, len(self.model))):
            self.advance(1)
            self.check_fields(self.queue)

    def advance(self, n: int) -> None:
        self.queue.advance(n)
        del self.model[:n]
        while n:
            step = min(n, self.lengths[0])
            n -= step
            self.lengths[0] -= step
            if not self.lengths[0]:
                del self.lengths[0]

    @rule()
    def clear(self) -> None:
        self.queue.clear()
        self.model.clear()
        self.lengths.clear()

    @invariant()
    def queue_equals_model(self) -> None:
        assert self.queue.size == len(self.model)
        if self.model:
            first = self.queue.first()
            assert type(first) is memoryview
            assert first == self.model[: self.lengths[0]]
            for most in (1, self.lengths[0], self.lengths[0] + 1, len(self.model), len(self.model) + 1):
                assert bytes(self.queue.front(most)) == self.model[:most]

    @invariant()
    def waiting_bytes_equal_model(self) -> None:
        assert b"".join(self.queue.waiting()) == self.model

    @invariant()
    def fields_keep_invariants(self) -> None:
        self.check_fields(self.queue)

    def teardown(self) -> None:
        sent = b""
        while self.queue.size:
            first = bytes(self.queue.first())
            sent += first
            self.queue.advance(len(first))
        assert sent == self.model


def check_pure_fields(queue: Any, compact: int) -> None:
    """Check the invariants in the docstring of write_queue.py."""
    waiting = queue.pieces[queue.head :]
    assert all(type(piece) is bytes and piece for piece in waiting)
    assert queue.pieces[: queue.head] == [None] * queue.head
    assert 0 <= queue.offset < len(waiting[0]) if waiting else queue.offset == 0
    assert queue.size == sum(map(len, waiting)) - queue.offset
    assert queue.head <= compact or 2 * queue.head <= len(queue.pieces)


def field_check(core: types.ModuleType) -> Callable[[Any], None]:
    if is_compiled(core):
        return lambda queue: None
    compact = core_module(core, "write_queue")._COMPACT
    return lambda queue: check_pure_fields(queue, compact)


def test_any_operations_keep_order_and_invariants(core: types.ModuleType) -> None:
    check = field_check(core)
    run_state_machine_as_test(
        lambda: WriteQueueMachine(core.WriteQueue(), check), settings=settings(max_examples=60, stateful_step_count=40)
    )


def test_new_queue_is_empty(core: types.ModuleType) -> None:
    queue = core.WriteQueue()
    assert queue.size == 0
    queue.advance(0)
    queue.clear()
    assert queue.size == 0


def test_discarded_bytes_are_removed_and_counted(core: types.ModuleType) -> None:
    queue = core.WriteQueue()
    for piece, discarded in ((b"abc", 3), (b"d", 4)):
        queue.append(piece)
        queue.discard()
        assert (queue.size, queue.discarded) == (0, discarded)


def test_front_of_a_single_piece_is_the_piece(core: types.ModuleType) -> None:
    piece = b"0123456789"
    queue = core.WriteQueue()
    queue.append(piece)
    assert queue.front(10) is piece


def test_first_is_a_view_of_the_appended_piece(core: types.ModuleType) -> None:
    piece = b"0123456789"
    queue = core.WriteQueue()
    queue.append(piece)
    assert queue.first().obj is piece
    queue.advance(4)
    assert (queue.first().obj is piece, queue.first()) == (True, b"456789")


def test_view_of_first_piece_stays_valid_after_clear(core: types.ModuleType) -> None:
    queue = core.WriteQueue()
    queue.append(bytes(bytearray(b"0123456789")))
    view = queue.first()
    queue.clear()
    queue.append(b"other")
    assert view == b"0123456789"


def test_sent_pieces_are_released_before_the_list_is_compacted(core: types.ModuleType) -> None:
    """A queue that holds what it has sent would double the memory of a large backlog."""
    piece = bytes(bytearray(100))
    queue = core.WriteQueue()
    queue.append(piece)
    queue.append(b"last")
    held = sys.getrefcount(piece)
    queue.advance(100)
    assert sys.getrefcount(piece) == held - 1


@pytest.fixture
def counted() -> tuple[Any, CountingList]:
    """A queue of the pure variant and its list: the list of a compiled one cannot be replaced."""
    queue = importlib.import_module("sluiceway._core").WriteQueue()
    queue.pieces = CountingList()
    return queue, queue.pieces


@pytest.mark.parametrize("n", [1, 65, 1000, 20_000])
def test_sending_n_pieces_one_by_one_moves_at_most_2n_items(counted: tuple[Any, CountingList], n: int) -> None:
    queue, pieces = counted
    for _ in range(n):
        queue.append(b"x")
    for left in range(n - 1, -1, -1):
        queue.advance(1)
        assert queue.size == left
    assert queue.pieces is pieces
    assert pieces.moved <= 2 * n
    assert (pieces.moved > 0) == (n >= 1000), "the counter sees what is moved"


@pytest.mark.parametrize("backlog", [1, 10, 64, 200, 3000])
def test_constant_backlog_moves_at_most_2n_items_and_bounds_the_list(
    counted: tuple[Any, CountingList], backlog: int
) -> None:
    queue, pieces = counted
    for _ in range(backlog):
        queue.append(b"x")
    n = 10_000
    for _ in range(n):
        queue.append(b"x")
        queue.advance(1)
        assert len(pieces) <= 2 * backlog + 66
    assert queue.size == backlog
    assert 0 < pieces.moved <= 2 * n


class FullList(list[Any]):
    """A list from whose front nothing can be removed, because no memory is left."""

    def __delitem__(self, index: Any) -> None:
        if index.stop is not None:
            raise MemoryError
        super().__delitem__(index)


def test_failed_removal_of_sent_pieces_loses_no_byte() -> None:
    queue = importlib.import_module("sluiceway._core").WriteQueue()
    queue.pieces = FullList()
    for number in range(200):
        queue.append(bytes([number]))
    queue.advance(150)
    assert b"".join(queue.waiting()) == bytes(range(150, 200))
    queue.advance(50)
    assert queue.size == 0
