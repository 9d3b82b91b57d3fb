"""The choice of the core: the compiled core where it is installed, else the pure one.

``core`` is the package from which all layers above 1 import the core's classes. ``IMPLEMENTATION`` is its name.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import pathlib
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal

from ._config import PURE
from ._log import logger

__all__ = ["IMPLEMENTATION", "core", "missing_parts", "report_missing"]

missing_parts: dict[str, str] = {}
"""The compiled parts ("core", "engine") that are installed but cannot be imported, each with the reason."""


def report_missing(part: str, error: ImportError, instead: str) -> None:
    """Record and log that a compiled part cannot be imported. Does nothing in an installation without compiled files.

    Args:
        part: "core" or "engine".
        error: the exception of the import.
        instead: what is used in place of the part, for the log record.
    """
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    if any(path.name.endswith(suffixes) for path in pathlib.Path(__file__).parent.glob("_core_c/*")):
        missing_parts[part] = str(error)
        logger.warning("cannot import the compiled %s: %s; %s", part, error, instead)


def _compiled() -> ModuleType | None:
    if PURE:
        return None
    try:
        return importlib.import_module("sluiceway._core_c")
    except ImportError as error:
        report_missing("core", error, "using the pure Python core, which is slower")
        return None


_compiled_core = _compiled()

if TYPE_CHECKING or _compiled_core is None:
    from sluiceway import _core as core
else:
    core = _compiled_core

IMPLEMENTATION: Final[Literal["pure", "compiled"]] = "pure" if _compiled_core is None else "compiled"
"""The core in use: "compiled" where it is installed, else "pure". The environment variable SLUICEWAY_PURE=1, read at
import, selects the pure core."""
