"""The build of the core that is in use: the compiled one where it is installed, else the pure one.

``core`` is the package that everything above layer 1 takes the core's classes from; ``IMPLEMENTATION`` is its name.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal

from ._config import PURE

__all__ = ["IMPLEMENTATION", "core"]


def _compiled() -> ModuleType | None:
    if PURE:
        return None
    try:
        return importlib.import_module("sluiceway._core_c")
    except ImportError:
        return None


_compiled_core = _compiled()

if TYPE_CHECKING or _compiled_core is None:
    from sluiceway import _core as core
else:
    core = _compiled_core

IMPLEMENTATION: Final[Literal["pure", "compiled"]] = "pure" if _compiled_core is None else "compiled"
"""Which build of the core is in use: "compiled" where it is installed, else "pure". SLUICEWAY_PURE=1 in the
environment, read at import, asks for the pure one."""
