"""The choice of the core: the compiled core if it can be imported, else the pure Python core.

``core`` is the package ``_core_c`` or ``_core``. Code outside the core gets the classes of the core from it, except the
engine, which needs ``_core_c``. ``IMPLEMENTATION`` is "compiled" or "pure". SLUICEWAY_PURE=1 selects the pure core.
"""

from __future__ import annotations

import importlib
import importlib.machinery
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal

from ._config import PURE
from ._log import logger

__all__ = ["IMPLEMENTATION", "core", "missing_parts", "report_missing"]

missing_parts: dict[str, str] = {}
"""The reason for each compiled part ("core", "engine") that is installed but cannot be imported."""


def report_missing(part: str, error: ImportError, instead: str) -> None:
    """Record in ``missing_parts`` and log that a compiled part cannot be imported.

    Do nothing if ``_core_c`` has no compiled file, because the package was then installed without compiled parts.

    Args:
        part: "core" or "engine".
        error: the exception of the import.
        instead: what is used in place of the part, for the log record.
    """
    import pathlib  # Rarely needed, and its import takes milliseconds.

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
"""The core in use: "compiled" or "pure". The compiled core is used if it can be imported, unless the environment
variable SLUICEWAY_PURE is 1 when the package is imported."""
