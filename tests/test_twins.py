"""The core and the types of its compiled twin say the same: fields, methods, arguments, typed variables."""

import pytest

from support.twins import CORE, DECLARED, declared, differences, modules, written

PYTHON = """
from .other import thing
_ROOM = 10

class Base:
    __slots__ = ("_size", "waste")

    def __init__(self):
        self._size = 0
        self.waste = 0

    def held(self, n):
        start = self._size
        return start + n

class Derived(Base):
    def __init__(self, data):
        super().__init__()
        self.data = data
        self.whole = data
        self.waste = 1

    @property
    def whole(self):
        return self.data

    @whole.setter
    def whole(self, data):
        self.data = data

    async def read(self, n=-1):
        return n

def find(chunk, pattern):
    return chunk.find(pattern)
"""

PXD = """
cimport cython
from .other cimport Thing
cdef Py_ssize_t _ROOM
cpdef Py_ssize_t find(object chunk, bytes pattern) except -2

cdef class Base:
    cdef Py_ssize_t _size
    cdef public Py_ssize_t waste  # bytes

    @cython.locals(
        start=Py_ssize_t, n=Py_ssize_t,
    )
    cpdef Py_ssize_t held(self, Py_ssize_t n) except -1

cdef class Derived(Base):
    cdef public bytearray data
"""


def compared(python: str, pxd: str) -> list[str]:
    return differences({"twin": written(python)}, {"twin": declared(pxd)})


def test_every_file_of_the_core_and_its_types_say_the_same() -> None:
    python = {name: written(path.read_text(encoding="utf-8")) for name, path in modules(CORE, "py").items()}
    types = {name: declared(path.read_text(encoding="utf-8")) for name, path in modules(DECLARED, "pxd").items()}
    assert sum(len(module.classes) for module in python.values()) >= 7
    assert differences(python, types) == []


def test_types_without_a_file_of_the_core_belong_to_compiled_code() -> None:
    assert modules(DECLARED, "pxd").keys() <= modules(CORE, "py").keys() | modules(DECLARED, "pyx").keys()


def test_two_that_say_the_same() -> None:
    assert compared(PYTHON, PXD) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "self.data = data\n        self.whole",
            "self.other = data\n        self.whole",
            "twin: Derived.other: assigned",
        ),
        ("        self.data = data\n", "        pass\n", "twin: Derived.data: declared, never assigned"),
        ('("_size", "waste")', '("_size",)', "twin: Base: __slots__ and the declared fields differ: ['waste']"),
        ("def held(self, n)", "def held(self, count)", "twin: Base.held: takes ['self', 'count']"),
        ("def held(self, n)", "def kept(self, n)", "twin: Base.held: declared, not defined"),
        (
            "        start = self._size\n        return start + n",
            "        return n",
            "twin: Base.held: start has a type",
        ),
        ("class Derived(Base)", "class Derived(Other)", "twin: Derived: derived from Other"),
        ("class Derived(Base)", "class Renamed(Base)", "twin: class Derived is in one of the two only"),
        ("_ROOM = 10", "", "twin: _ROOM is never assigned"),
        ("def find(chunk, pattern)", "def find(chunk, what)", "twin.find: takes ['chunk', 'what']"),
        ("\ndef find", "\nasync def seek", "twin.find: declared, not defined"),
    ],
)
def test_what_differs_is_seen_in_python(old: str, new: str, told: str) -> None:
    assert old in PYTHON
    found = compared(PYTHON.replace(old, new), PXD)
    assert [sentence for sentence in found if sentence.startswith(told)], found


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    cdef Py_ssize_t _size\n", "", "twin: Base._size: assigned, not declared"),
        ("bytearray data", "bytearray data, more", "twin: Derived.more: declared, never assigned"),
        ("(self, Py_ssize_t n)", "(self)", "twin: Base.held: takes ['self', 'n'], declared with ['self']"),
        (
            "    cdef public bytearray data",
            "    cdef public bytearray data\n    cpdef gone(self)",
            "twin: Derived.gone",
        ),
        ("start=", "begin=", "twin: Base.held: begin has a type and is not there"),
        ("Derived(Base)", "Derived", "twin: Derived: derived from Base, declared as derived from None"),
    ],
)
def test_what_differs_is_seen_in_the_types(old: str, new: str, told: str) -> None:
    assert old in PXD
    found = compared(PYTHON, PXD.replace(old, new))
    assert [sentence for sentence in found if sentence.startswith(told)], found


def test_a_line_that_is_not_understood_is_no_silence() -> None:
    with pytest.raises(ValueError, match="what does this line declare"):
        declared("ctypedef int number\n")
