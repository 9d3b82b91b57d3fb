"""Layers do not find each other by getattr() or hasattr() with a private name."""

import asyncio
import functools
import pathlib
import sys

import pytest

from architecture.private_lookups import ASYNCIO_NAMES, SINCE, lookup_violations, private_names
from architecture.sources import Source, package_sources, read_source


@functools.cache
def names_of_package() -> set[str]:
    return private_names(*(source.facts() for source in package_sources()))


@pytest.mark.parametrize("source", package_sources(), ids=lambda source: source.name)
def test_file_looks_up_no_private_attribute_of_package(source: Source) -> None:
    found = lookup_violations(source.facts(), names_of_package(), source.module)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", sorted(ASYNCIO_NAMES))
def test_exempt_name_is_an_attribute_of_asyncio(name: str) -> None:
    if sys.version_info < SINCE.get(name, (3, 11)):
        pytest.skip(f"asyncio has {name} since Python {SINCE[name]}")
    files = pathlib.Path(asyncio.__file__).parent.glob("*.py")
    assert any(f".{name}" in path.read_text(encoding="utf-8") for path in files)


@pytest.mark.parametrize(
    ("suffix", "source"),
    [
        (".py", "getattr(x, '_connection')"),
        (".py", "def f(x):\n    return getattr(x.y(1, 2), '_connection', None)"),
        (".py", "hasattr(x, '_connection')"),
        (".py", "NAME = '_connection'\ngetattr(x, NAME)"),
        (".py", "getattr(x, '_sluiceway_anything')"),
        (".py", "setattr(x, '_connection', 1)\ngetattr(x, '_connection')"),
        (".py", "hasattr(x, '_ps_anything')"),
        (".pyx", "cdef f(x):\n    return getattr(x.y(1, [2, 3]), '_connection', None)"),
        (".pyx", "cdef str NAME = '_connection'\nhasattr(x, NAME)"),
        (".pxd", "cdef inline f(x):\n    return hasattr(x, '_ps_anything')"),
    ],
)
def test_lookup_of_private_attribute_is_found(suffix: str, source: str) -> None:
    assert len(lookup_violations(read_source(source, "sluiceway.a", suffix), {"_connection"}, "sluiceway.a")) == 1


@pytest.mark.parametrize(
    ("suffix", "source"),
    [
        (".py", "getattr(x, 'connection', None)"),
        (".py", "getattr(x, '_other', None)"),
        (".py", "getattr(x, name)"),
        (".py", "hasattr(socket, 'AF_UNIX')"),
        (".py", "getattr(loop, '_paused', False)"),
        (".py", "x._connection"),
        (".py", "setattr(x, '_connection', 1)"),
        (".py", "setattr(loop, '_sluiceway_poller', 1)\ngetattr(loop, '_sluiceway_poller', None)"),
        (".pyx", "cdef str NAME = '_sluiceway_poller'\nsetattr(loop, NAME, 1)\ngetattr(loop, NAME, None)"),
        (".pyx", "# getattr(x, '_connection')\nt = \"getattr(x, '_connection')\""),
        (".pyx", "getattr(x, '_other', '_connection')"),
    ],
)
def test_allowed_lookup_is_accepted(suffix: str, source: str) -> None:
    names = {"_connection", "_paused"}
    assert lookup_violations(read_source(source, "sluiceway.a", suffix), names, "sluiceway.a") == []


@pytest.mark.parametrize(
    ("suffix", "source"),
    [
        (".py", "class A:\n    _found = None"),
        (".py", "class A:\n    _found: int"),
        (".py", "class A:\n    __slots__ = ('_found', 'other')"),
        (".py", "class A:\n    def _found(self): ..."),
        (".py", "class A:\n    def f(self):\n        self._found, self.other = 1, 2"),
        (".pyx", "cdef class A:\n    cdef int _found"),
        (".pyx", "cdef class A:\n    cdef public object other, _found  # why"),
        (".pyx", "cdef class A:\n    cdef int _found(self) except -1:\n        pass"),
        (".pyx", "class A:\n    def _found(self):\n        pass"),
        (".pyx", "class A:\n    def f(self):\n        self._found = 1"),
        (".pxd", "cdef class A:\n    cdef readonly bint _found"),
        (".pxd", "cdef class A:\n    cpdef int _found(self, int n) except -1"),
    ],
)
def test_private_attribute_of_class_is_collected(suffix: str, source: str) -> None:
    assert private_names(read_source(source, "sluiceway.a", suffix)) == {"_found"}


def test_public_and_special_attributes_are_not_collected() -> None:
    source = "class A:\n    value = 1\n    def __init__(self): ...\n_constant = 1\ndef _function(): ..."
    assert private_names(read_source(source, "sluiceway.a")) == set()
