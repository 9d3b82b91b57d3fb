"""The one place that chooses the implementation of the core.

``core`` is the package that everything above layer 1 takes the core's classes from, ``IMPLEMENTATION`` its name:
"compiled" where the compiled twin is installed, else "pure". The environment variable SLUICEWAY_PURE=1 asks for the
pure one.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal

__all__ = ["IMPLEMENTATION", "core"]


def _compiled() -> ModuleType | None:
    if os.environ.get("SLUICEWAY_PURE", "") not in ("", "0"):
        return None
    try:
        return importlib.import_module("sluiceway._core_c")
    except ImportError:
        return None


_twin = _compiled()

if TYPE_CHECKING or _twin is None:
    from sluiceway import _core as core
else:
    core = _twin

IMPLEMENTATION: Final[Literal["pure", "compiled"]] = "pure" if _twin is None else "compiled"
"""Which build of the core is in use: "compiled" where it is installed, else "pure". SLUICEWAY_PURE=1 in the
environment, read at import, asks for the pure one."""
