"""Make an instance of each class of the package without ``__init__``, and use it: for test_incomplete_instances.py.

Prints each class and attribute before its use, so that the last line names what crashed the interpreter, and at last
"survived" and the numbers of classes that refused and that made an instance.
"""

import asyncio
import importlib
import pkgutil
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

import sluiceway
from sluiceway._implementation import core

LIFETIME = 60
# Py_TPFLAGS_HEAPTYPE.
HEAP_TYPE = 1 << 9
# Of object, or of the class and not of the instance. CPython 3.11 crashes after ``del instance.__dict__``.
SKIPPED = {"__dict__", "__class__", "__new__", "__init__", "__init_subclass__", "__subclasshook__", "__dir__"}
ARGUMENTS: list[tuple[Any, ...]] = [(None,) * count for count in range(5)]
ARGUMENTS += [(1,), (b"x",), (1, 1), (b"x", 1), ((b"x",), 1), ((b"x",), True, 1), (1, b"x"), (True,)]


def classes() -> set[type]:
    """Return the classes of the package, also those that no module has, and those of its coroutines."""
    for info in pkgutil.walk_packages(sluiceway.__path__, "sluiceway."):
        if "__main__" not in info.name:
            try:
                importlib.import_module(info.name)
            except ImportError:
                # The variant that is not installed, or another system's.
                continue
    found: set[type] = set()
    pending: list[type] = [object]
    while pending:
        for cls in type.__subclasses__(pending.pop()):
            if cls not in found and not issubclass(cls, type):
                found.add(cls)
                pending.append(cls)
    own = {cls for cls in found if any(map(is_compiled, cls.__mro__))}
    reader = core.ReadOperations(1, None)
    read = reader.read(1)
    own |= {type(core.StreamReads.read), type(read), type(read.__await__())}
    read.close()
    return own


def is_compiled(cls: type) -> bool:
    """Return True for a class that Cython has compiled: it is static, not made by a class statement."""
    return str(cls.__module__).startswith("sluiceway") and not cls.__flags__ & HEAP_TYPE


def attempt(call: Callable[[], object]) -> None:
    """Call, and run what is to be awaited up to its first wait. Any exception is right."""
    try:
        result: Any = call()
        if asyncio.iscoroutine(result):
            try:
                result.send(None)
            finally:
                result.close()
    except BaseException:  # noqa: BLE001 - only a crash is wrong
        pass


def use(cls: type) -> None:
    def new() -> Any:
        return cls.__new__(cls)

    attempt(lambda: repr(new()))
    for name in sorted(set(dir(cls)) - SKIPPED):
        print(cls.__module__, cls.__qualname__, name, flush=True)
        for arguments in ARGUMENTS:
            attempt(lambda name=name, arguments=arguments: getattr(new(), name)(*arguments))  # type: ignore[misc]

        def change(name: str = name) -> None:
            instance = new()
            for step in (
                lambda: setattr(instance, name, None),
                lambda: repr(instance),
                lambda: delattr(instance, name),
            ):
                attempt(step)
            attempt(lambda: repr(instance))

        change()


def main() -> None:
    signal.alarm(LIFETIME)
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    refused = made = 0
    for cls in sorted(classes(), key=lambda cls: (cls.__module__, cls.__qualname__)):
        try:
            cls.__new__(cls)
        except TypeError:
            refused += 1
            continue
        made += 1
        use(cls)
    print("survived", refused, made)


if __name__ == "__main__":
    main()
