"""A hypothesis machine that drives a buffer of the core beside a plain bytes value, its model.

``check(new_buffer)`` runs it; subclass BufferMachine for rules of one kind of buffer alone.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sluiceway._constants import EVERYTHING

KIB = 1024

# Around the sizes at which arrivals are joined (8 KiB) and a growing chunk is closed (32 KiB); what one recv brings.
EDGES = [
    edge + off for edge in (8 * KIB, 16 * KIB, 24 * KIB, 32 * KIB) for off in (-2, -1, 0, 1, 2)
] + [64 * KIB, 256 * KIB]  # fmt: skip
SIZES = st.one_of(st.integers(0, 12), st.integers(0, 12), st.sampled_from(EDGES))

# Little variety, so that patterns occur, overlap themselves and straddle chunks.
WORDS = st.one_of(
    st.sampled_from([b"a", b"aab", b"ab", b"abab", b"\r\n", b"--x"]), st.text("ab", max_size=6).map(str.encode)
)


def repeated(word: bytes, size: int) -> bytes:
    """``size`` bytes that repeat ``word``."""
    return (word * (size // len(word) + 1))[:size] if word else b"z" * size


class BufferMachine(RuleBasedStateMachine):
    """The operations that every buffer of the core has."""

    def __init__(self, new_buffer: Callable[[], Any]) -> None:
        super().__init__()
        self.buffer = new_buffer()
        self.model = b""

    def place(self, where: float) -> int:
        return int(where * len(self.model))

    @rule(word=WORDS, size=SIZES)
    def append(self, word: bytes, size: int) -> None:
        if size:  # the reader never passes on an empty arrival
            self.buffer.append(repeated(word, size))
            self.model += repeated(word, size)

    @rule(data=WORDS)
    def append_bytewise(self, data: bytes) -> None:
        for byte in data:
            self.buffer.append(bytes([byte]))
        self.model += data

    @rule(n=SIZES)
    def take(self, n: int) -> None:
        self.taken(self.buffer.take(n), n)

    @rule(where=st.floats(0, 1))
    def take_a_part(self, where: float) -> None:
        self.taken(self.buffer.take(self.place(where)), self.place(where))

    def taken(self, piece: bytes, n: int) -> None:
        assert type(piece) is bytes
        assert piece == self.model[:n]
        self.model = self.model[n:]

    @rule()
    def take_all(self) -> None:
        self.taken(self.buffer.take_all(), len(self.model))

    @rule(data=WORDS)
    def prepend(self, data: bytes) -> None:
        if data:
            self.buffer.prepend(data)
            self.model = data + self.model

    @rule(n=SIZES)
    def peek(self, n: int) -> None:
        piece = self.buffer.peek(n)
        assert type(piece) is bytes
        assert piece == self.model[:n]

    @rule(size=st.integers(1, 8), little_endian=st.booleans())
    def number(self, size: int, little_endian: bool) -> None:
        if size <= len(self.model):
            value = int.from_bytes(self.model[:size], "little" if little_endian else "big")
            assert self.buffer.number(size, little_endian) == min(value, EVERYTHING)

    @rule()
    def clear(self) -> None:
        self.buffer.clear()
        self.model = b""

    @rule()
    def compact(self) -> None:
        self.buffer.compact()

    @rule(pattern=WORDS, where=st.one_of(st.just(0.0), st.floats(0, 1)), until=st.one_of(st.just(1.0), st.floats(0, 1)))
    def find_a_word(self, pattern: bytes, where: float, until: float) -> None:
        self.check_find(pattern, self.place(where), self.place(until))

    @rule(where=st.floats(0, 1), length=st.integers(1, 40), back=st.integers(0, 50), change=st.booleans())
    def find_what_is_there(self, where: float, length: int, back: int, change: bool) -> None:
        at = self.place(where)
        pattern = self.model[at : at + length]
        if change and pattern:
            pattern = pattern[:-1] + bytes([pattern[-1] ^ 1])
        self.check_find(pattern, max(0, at - back), len(self.model))
        self.check_find(pattern, max(0, at - back), min(len(self.model), at + back))

    def check_find(self, pattern: bytes, start: int, end: int) -> None:
        if pattern:
            assert self.buffer.find(pattern, start, end) == self.model.find(pattern, start, end)

    @rule(where=st.floats(0, 1), length=st.integers(1, 40), change=st.booleans(), beyond=st.binary(max_size=1))
    def matches(self, where: float, length: int, change: bool, beyond: bytes) -> None:
        at = self.place(where)
        pattern = self.model[at : at + length] + beyond
        if change and pattern:
            pattern = bytes([pattern[0] ^ 1]) + pattern[1:]
        if pattern:
            assert self.buffer.matches(pattern, at) == self.model.startswith(pattern, at)

    @invariant()
    def the_size_is_right(self) -> None:
        assert self.buffer.size() == len(self.model)

    def teardown(self) -> None:
        assert self.buffer.take_all() == self.model
        assert self.buffer.size() == 0


def run_machine(machine: Callable[[], BufferMachine], examples: int = 60, steps: int = 40) -> None:
    """Run the machine that ``machine()`` makes."""
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=steps))
