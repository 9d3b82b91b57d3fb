"""Each .pxd of the compiled core matches its source file: classes, fields, methods, arguments, typed variables."""

import pytest

from architecture.pxd_files import (
    COMPILED,
    PURE,
    Module,
    differences,
    files,
    read_pxd,
    read_pyx,
    read_source,
    variant_differences,
)

# They contain inline functions only.
INLINE = {"handle_context", "monotonic"}

SOURCE = """
from .other import thing
from .waiting import Wait
_ROOM = 10
_FIRST, _LAST = 20, 24

class Base:
    __slots__ = ("__weakref__", "_size", "waste")

    def __init__(self):
        self._size = self.waste = 0

    def held(self, n):
        start = self._size
        return start + n

class Derived(Base):
    announced: int

    def __init__(self, data):
        super().__init__()
        wait = self.wait = Wait()
        wait.future = None
        self.data, self.rest = data, b""
        self.whole = data
        self.waste = 1

    @property
    def whole(self):
        return self.data

    @whole.setter
    def whole(self, data):
        self.data = data

    async def read(self, n=-1):
        self.wait.size = n
        return n

class Empty(Derived):
    pass

class LostError(ConnectionError):
    pass

def find(chunk, pattern):
    end = chunk.find(pattern)
    return end

def finish(derived: Derived):
    derived.guard = None
"""

PXD = """
cimport cython
from .other cimport Thing
from . cimport thing
cdef Py_ssize_t _ROOM
cdef int _FIRST, _LAST
@cython.locals(end=Py_ssize_t)
cpdef Py_ssize_t find(object chunk, bytes pattern) except -2
cdef finish(Derived derived)

@cython.freelist(64)
cdef class Base:
    cdef Py_ssize_t _size
    cdef public Py_ssize_t waste  # bytes
    cdef object __weakref__

    @cython.locals(
        start=Py_ssize_t, n=Py_ssize_t,
    )
    cpdef Py_ssize_t held(self, Py_ssize_t n) except -1

cdef class Derived(Base):
    cdef public bytearray data
    cdef bytes rest
    cdef Wait wait
    cdef object guard
    cdef unsigned long announced

    cpdef read(self, n)

@cython.final
cdef class Empty(Derived):
    pass
"""

WAITING_SOURCE = """
class Wait:
    def __init__(self):
        self.future = None
        self.size = 0
"""

WAITING_PXD = """
cdef class Wait:
    cdef object future
    cdef Py_ssize_t size
"""

PURE_VARIANT = """
class Scratch:
    def __init__(self, size):
        self._whole = bytearray(size)

    def part(self, size):
        return self._whole[:size]

def block(size):
    return None

empty = list.clear

def _helper():
    pass
"""

PYX_VARIANT = '''
# cython: language_level=3
"""
def quoted(): a docstring is not code
"""
cdef class Memory:
    def __len__(self):
        return self.size

cdef class Scratch(Memory):
    def __cinit__(self, Py_ssize_t size):
        self.capacity = size

    cpdef Memory part(self, Py_ssize_t size):
        return self

    cdef int release(self) except -1:
        return 0

cdef inline const char* content(object chunk) except NULL:
    return NULL

cpdef Memory block(Py_ssize_t size=0):
    return Memory()

cpdef int empty(list items) except -1:
    return 0
'''


def compare(source: str, pxd: str) -> list[str]:
    sources = {"module": source, "waiting": WAITING_SOURCE}
    declarations = {"module": pxd, "waiting": WAITING_PXD}
    return differences(
        {name: read_source(text) for name, text in sources.items()},
        {name: read_pxd(text) for name, text in declarations.items()},
    )


def compare_variants(pure: str, compiled: str) -> list[str]:
    return variant_differences("module", read_source(pure), read_pyx(compiled))


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"the example has {old!r} once"
    return text.replace(old, new)


# -- the files of the core --------------------------------------------------------------------------------------------


def sources() -> dict[str, Module]:
    return {name: read_source(path.read_text(encoding="utf-8")) for name, path in files(PURE, "py").items()}


def test_pxd_of_core_matches_source() -> None:
    replaced_by_pyx = set(files(COMPILED, "pyx"))
    ours = {name: module for name, module in sources().items() if name not in replaced_by_pyx}
    declarations = {
        name: read_pxd(path.read_text(encoding="utf-8"))
        for name, path in files(COMPILED, "pxd").items()
        if name not in replaced_by_pyx | INLINE
    }
    assert sum(len(module.classes) for module in declarations.values()) >= 20
    assert differences(ours, declarations) == []


def test_pyx_of_core_has_functions_of_pure_variant() -> None:
    compiled = files(COMPILED, "pyx")
    both = {name: module for name, module in sources().items() if name in compiled}
    assert both.keys() >= {"direct_buffer", "receive_memory", "search", "weak_reference"}
    for name, module in both.items():
        assert variant_differences(name, module, read_pyx(compiled[name].read_text(encoding="utf-8"))) == []


def test_pxd_of_core_belongs_to_source_file_or_pyx() -> None:
    assert files(COMPILED, "pxd").keys() - INLINE <= files(PURE, "py").keys() | files(COMPILED, "pyx").keys()


def test_pxd_of_pyx_of_core_can_be_parsed() -> None:
    for name in files(COMPILED, "pyx"):
        module = read_pxd((COMPILED / f"{name}.pxd").read_text(encoding="utf-8"))
        assert module.classes or module.functions


# -- the comparison ---------------------------------------------------------------------------------------------------


def test_matching_source_and_pxd_have_no_differences() -> None:
    assert compare(SOURCE, PXD) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("self._size = self.waste = 0", "self._size = self.other = 0", "module: Base.other: assigned, not"),
        ("self._size = self.waste = 0", "self._size = 0", "module: Base.waste: declared, never assigned"),
        ("self.data, self.rest = data", "self.data, self.other = data", "module: Derived.other: assigned, not"),
        ("self.data, self.rest = data", "self.data, _ = data", "module: Derived.rest: declared, never assigned"),
        ("wait = self.wait = Wait()", "wait = self.other = Wait()", "module: Derived.other: assigned, not declared"),
        ("wait = self.wait = Wait()", "wait = Wait()", "module: Derived.wait: declared, never assigned"),
        ("        wait.future =", "        wait.task =", "module: Derived.__init__ assigns Wait.task, which is not"),
        ("self.wait.size = n", "self.wait.length = n", "module: Derived.read assigns Wait.length, which is not"),
        ("derived.guard = None", "derived.other = None", "module: finish assigns Derived.other, which is not declared"),
        ("derived.guard = None", "pass", "module: Derived.guard: declared, never assigned"),
        ("    announced: int\n", "", "module: Derived.announced: declared, never assigned"),
        ("        self.waste = 1", "        self.more = 1", "module: Derived.more: assigned, not declared"),
        ('"_size", "waste")', '"_size")', "module: Base: __slots__ and the declared fields differ: ['waste']"),
        ('"__weakref__", ', "", "module: Base: __slots__ and the declared fields differ: ['__weakref__']"),
        ("def held(self, n)", "def held(self, count)", "module: Base.held: takes ['self', 'count']"),
        ("def held(self, n)", "def kept(self, n)", "module: Base.held: declared, not defined"),
        ("async def read(self, n=-1)", "async def read(self)", "module: Derived.read: takes ['self'], declared with"),
        (
            "        start = self._size\n        return start + n",
            "        return n",
            "module: Base.held: variable start",
        ),
        ("    end = chunk.find(pattern)\n    return end", "    return 0", "module.find: variable end has a type"),
        ("class Derived(Base)", "class Derived(Other)", "module: Derived: derived from Other, declared as derived"),
        ("class Empty(Derived)", "class Renamed(Derived)", "module: class Renamed is in only one of the files"),
        ("class LostError(ConnectionError)", "class Lost(Connection)", "module: class Lost is in only one of the"),
        ("_ROOM = 10", "", "module: _ROOM is declared, never assigned"),
        ("_FIRST, _LAST = 20, 24", "_FIRST = 20", "module: _LAST is declared, never assigned"),
        ("def find(chunk, pattern)", "def find(chunk, what)", "module.find: takes ['chunk', 'what']"),
        ("\ndef find", "\nasync def seek", "module.find: declared, not defined"),
    ],
)
def test_difference_in_source_is_found(old: str, new: str, expected: str) -> None:
    found = compare(replaced(SOURCE, old, new), PXD)
    assert [sentence for sentence in found if sentence.startswith(expected)], found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    cdef Py_ssize_t _size\n", "", "module: Base._size: assigned, not declared"),
        ("bytearray data", "bytearray data, more", "module: Derived.more: declared, never assigned"),
        ("    cdef unsigned long announced\n", "", "module: Derived.announced: assigned, not declared"),
        ("    cdef object guard\n", "", "module: finish assigns Derived.guard, which is not declared"),
        (
            "    cdef object __weakref__\n",
            "",
            "module: Base: __slots__ and the declared fields differ: ['__weakref__']",
        ),
        ("(self, Py_ssize_t n)", "(self)", "module: Base.held: takes ['self', 'n'], declared with ['self']"),
        ("cpdef read(self, n)", "cpdef read(self, count)", "module: Derived.read: takes ['self', 'n'], declared with"),
        ("cpdef read(self, n)", "cpdef gone(self)", "module: Derived.gone: declared, not defined"),
        ("start=", "begin=", "module: Base.held: variable begin has a type, but does not exist"),
        ("end=", "begin=", "module.find: variable begin has a type, but does not exist"),
        ("Derived(Base)", "Derived", "module: Derived: derived from Base, declared as derived from None"),
        ("cdef class Empty(Derived)", "cdef class Full(Derived)", "module: class Full is in only one of the files"),
    ],
)
def test_difference_in_pxd_is_found(old: str, new: str, expected: str) -> None:
    found = compare(SOURCE, replaced(PXD, old, new))
    assert [sentence for sentence in found if sentence.startswith(expected)], found


@pytest.mark.parametrize(
    "line", ["ctypedef int number", "@cython.wraparound(False)", "pass", "cdef class Open(Base)", "cdef struct one:"]
)
def test_unknown_line_of_pxd_raises(line: str) -> None:
    with pytest.raises(ValueError, match="cannot interpret this line"):
        read_pxd(f"{line}\n")


def test_matching_pure_and_pyx_variants_have_no_differences() -> None:
    assert compare_variants(PURE_VARIANT, PYX_VARIANT) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("class Scratch", "class Other", "module: class Other is in the .py only"),
        (
            "def part(self, size)",
            "def part(self, n)",
            "module: Scratch.part: takes ['self', 'n'] in the .py, ['self', ",
        ),
        ("def part(self, size)", "def whole(self, size)", "module: Scratch.whole: in the .py only"),
        ("def part(self, size)", "def _part(self, size)", "module: Scratch.part: in the .pyx only"),
        ("def __init__(self, size)", "def __init__(self, n)", "module: Scratch.__init__: takes ['self', 'n']"),
        ("def block(size)", "def block()", "module.block: takes [] in the .py, ['size'] in the .pyx"),
        ("def _helper()", "def helper()", "module.helper: in the .py only"),
        ("empty = list.clear", "clear = list.clear", "module.empty: in the .pyx only"),
    ],
)
def test_difference_between_pure_and_pyx_variants_is_found(old: str, new: str, expected: str) -> None:
    found = compare_variants(replaced(PURE_VARIANT, old, new), PYX_VARIANT)
    assert [sentence for sentence in found if sentence.startswith(expected)], found


def test_function_that_only_the_pyx_has_is_found() -> None:
    found = compare_variants(PURE_VARIANT, replaced(PYX_VARIANT, "cdef inline const char*", "cpdef object"))
    assert found == ["module.content: in the .pyx only"]
