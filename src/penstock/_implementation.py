"""The one place that chooses the implementation of the core.

``core`` is the package that everything above layer 1 takes the core's classes from, ``IMPLEMENTATION`` its name:
"pure" or "compiled". The environment variable PENSTOCK_PURE=1 asks for the pure one.
"""

from __future__ import annotations

from typing import Final, Literal

from penstock import _core as core

__all__ = ["IMPLEMENTATION", "core"]

IMPLEMENTATION: Final[Literal["pure", "compiled"]] = "pure"
