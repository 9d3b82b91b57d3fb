"""S12: the buffer that outsiders hold too does what they did to it, at any time."""

import types

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from support.buffer_machine import WORDS, BufferMachine, check


class LiveMachine(BufferMachine):
    """The operations of a buffer, and an outsider who changes the bytearray between them."""

    def __init__(self, core: types.ModuleType, data: bytearray) -> None:
        super().__init__(lambda: core.BytearrayBuffer(data))
        self.outside = data
        self.model = bytes(data)

    @rule(data=WORDS)
    def extend_outside(self, data: bytes) -> None:
        self.outside.extend(data)
        self.model += data

    @rule(data=WORDS)
    def push_back_outside(self, data: bytes) -> None:
        self.outside[0:0] = data
        self.model = data + self.model

    @rule(first=st.floats(0, 1), second=st.floats(0, 1))
    def cut_outside(self, first: float, second: float) -> None:
        low, high = sorted((self.place(first), self.place(second)))
        del self.outside[low:high]
        self.model = self.model[:low] + self.model[high:]

    @rule()
    def clear_outside(self) -> None:
        self.outside.clear()
        self.model = b""

    @invariant()
    def the_outsider_sees_the_same(self) -> None:
        assert self.buffer.data is self.outside
        assert self.outside == self.model


def test_the_live_buffer_is_the_bytearray(core: types.ModuleType) -> None:
    check(lambda: LiveMachine(core, bytearray(b"before")))


def test_a_search_remembers_nothing(core: types.ModuleType) -> None:
    data = bytearray(b"no end here")
    buffer = core.BytearrayBuffer(data)
    buffer.remember_search((b"\n",), len(data))
    assert buffer.searched((b"\n",)) == 0
    data[2:3] = b"\n"
    assert buffer.find(b"\n", buffer.searched((b"\n",))) == 2
