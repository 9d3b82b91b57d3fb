"""The source files of the package and what they contain, read without importing them.

``read_source(text, module, suffix)`` accepts Python (.py, .pyi) and Cython (.pyx, .pxd). ``package_sources()`` returns
every source file of the package, ``Source.facts()`` what it contains.
"""

import functools
import pathlib
from typing import NamedTuple

from architecture.cython_facts import cython_facts
from architecture.facts import Call, Facts, Import
from architecture.layers import LAYERS
from architecture.python_facts import python_facts
from support.package import module_name, package_directory

SUFFIXES = (".py", ".pyi", ".pyx", ".pxd")
IMPORT_FUNCTIONS = {"import_module", "find_spec", "__import__"}


def read_source(text: str, module: str, suffix: str = ".py", *, is_package: bool = False) -> Facts:
    """Return the facts of one file; its imports have absolute names, and imports by string are among them."""
    facts = python_facts(text) if suffix in {".py", ".pyi"} else cython_facts(text)
    package = module if is_package else module.rpartition(".")[0]
    for line, dots, base, name in facts.statements:
        facts.imports.append(Import(line, _absolute(base, dots, package), name))
    for call in facts.calls:
        if call.function.rpartition(".")[2] in IMPORT_FUNCTIONS:
            _add_import_by_call(facts, call, package)
    known = {(found.line, found.module) for found in facts.imports}
    for line, value in facts.strings:
        if _names_a_module(value) and (line, value) not in known:
            facts.imports.append(Import(line, value, None))
    return facts


def _absolute(base: str, dots: int, package: str) -> str:
    if not dots:
        return base
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - dots + 1], *([base] if base else [])])


def _add_import_by_call(facts: Facts, call: Call, package: str) -> None:
    name = call.arguments[0] if call.arguments else None
    # Further arguments of __import__ can make the name relative; such a call is treated like a computed name.
    if name is None or (call.function == "__import__" and len(call.arguments) > 1):
        facts.computed.append(call.line)
        return
    dots = len(name) - len(name.lstrip("."))
    anchor = call.arguments[1] if dots and len(call.arguments) > 1 else None
    facts.imports.append(Import(call.line, _absolute(name[dots:], dots, anchor or package), None))


def _names_a_module(value: str) -> bool:
    """Return whether a string constant is a dotted name in one of the layers; the package's name alone is not."""
    first, *rest = value.split(".")
    return first == "sluiceway" and bool(rest) and rest[0] in LAYERS and all(part.isidentifier() for part in rest)


class Source(NamedTuple):
    path: pathlib.Path
    module: str

    @property
    def name(self) -> str:
        """The path from the package's folder, for test identifiers and messages."""
        return self.path.relative_to(package_directory()).as_posix()

    @property
    def is_package(self) -> bool:
        return self.path.stem == "__init__"

    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def facts(self) -> Facts:
        return _facts_of(self)


@functools.cache
def _facts_of(source: Source) -> Facts:
    return read_source(source.text(), source.module, source.path.suffix, is_package=source.is_package)


@functools.cache
def package_sources() -> tuple[Source, ...]:
    """Return every source file of the package: Python, stubs and Cython."""
    paths = (path for path in package_directory().rglob("*") if path.suffix in SUFFIXES)
    return tuple(Source(path, module_name(path)) for path in sorted(paths))
