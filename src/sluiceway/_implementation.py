"""The build of the core that is in use: the compiled one where it is installed, else the pure one.

``core`` is the package that everything above layer 1 takes the core's classes from; ``IMPLEMENTATION`` is its name.
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
"""The compiled parts that are installed and cannot be used, "core" or "engine", each with the reason."""


def report_missing(part: str, error: ImportError, instead: str) -> None:
    """Note and log that a compiled part cannot be used, unless nothing was compiled where it is."""
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    if any(path.name.endswith(suffixes) for path in pathlib.Path(__file__).parent.glob("_core_c/*")):
        missing_parts[part] = str(error)
        logger.warning("the compiled %s cannot be used: %s; %s", part, error, instead)


def _compiled() -> ModuleType | None:
    if PURE:
        return None
    try:
        return importlib.import_module("sluiceway._core_c")
    except ImportError as error:
        report_missing("core", error, "the pure core is used, which is slower")
        return None


_compiled_core = _compiled()

if TYPE_CHECKING or _compiled_core is None:
    from sluiceway import _core as core
else:
    core = _compiled_core

IMPLEMENTATION: Final[Literal["pure", "compiled"]] = "pure" if _compiled_core is None else "compiled"
"""Which build of the core is in use: "compiled" where it is installed, else "pure". SLUICEWAY_PURE=1 in the
environment, read at import, asks for the pure one."""
