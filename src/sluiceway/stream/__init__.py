"""Layer 7: Stream, one object for both directions of a connection."""

from __future__ import annotations

from .stream import Stream

__all__ = ["Stream"]
