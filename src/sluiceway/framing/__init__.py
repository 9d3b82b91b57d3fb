"""Layer 6: lines, separated records and length-prefixed frames from any reader."""

from __future__ import annotations

from .._piece import Piece
from .functions import frames, lines, records
from .record_types import Policy, Records

__all__ = ["Piece", "Policy", "Records", "frames", "lines", "records"]
