"""Source lines of compiled modules for tracebacks. On CPython 3.11, line numbers for ``Task.print_stack()`` as well.

A traceback gets its source lines from the loader of the module. Python's loader of extension modules returns no source,
although the package installs the source files beside the compiled ones.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import os
import sys
from importlib.machinery import ExtensionFileLoader
from types import ModuleType
from typing import Any

from ._implementation import IMPLEMENTATION, core

_PACKAGE = __name__.partition(".")[0]


def prepare_compiled_modules() -> None:
    """Let the loaders of compiled modules return the source. On CPython 3.11, give their coroutines line numbers."""
    if IMPLEMENTATION == "pure":
        # Some modules of a compiled core that failed to load may have been imported.
        return
    for name, module in list(sys.modules.items()):
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        if name.startswith(f"{_PACKAGE}.") and isinstance(loader, ExtensionFileLoader):
            loader.get_source = functools.partial(_read_source, loader.path)  # type: ignore[method-assign,assignment]
            if sys.version_info < (3, 12):
                _show_lines(module)


def _read_source(compiled: str, module: str) -> str | None:
    """Return the source of ``module``, whose extension file is ``compiled``; None if the source is not installed.

    This function imports nothing, and needs no builtin open(): both fail while the interpreter exits. After an error,
    Python would search ``sys.path`` for the file of compiled code, whose name is relative. That raises TypeError then.
    """
    folder, name = os.path.dirname(compiled), module.rpartition(".")[2]
    for path in (os.path.join(folder, f"{name}.pyx"), os.path.join(folder, os.pardir, "_core", f"{name}.py")):
        with contextlib.suppress(OSError), io.FileIO(path) as file:
            return file.readall().decode()
    return None


def _show_lines(module: ModuleType) -> None:
    from ._core_c.coroutine_line import show_line

    cls: Any
    for cls in vars(module).values():
        if isinstance(cls, type) and cls.__module__ == module.__name__:
            for function in vars(cls).values():
                code = getattr(function, "__code__", None)
                if code is not None and code.co_flags & inspect.CO_COROUTINE:
                    show_line(code)
            if cls is core.ReadOperations:
                # Special methods of compiled classes have no __code__.
                coroutine: Any = cls(1, None).__anext__()  # type: ignore[arg-type]
                show_line(coroutine.cr_code)
                coroutine.close()
