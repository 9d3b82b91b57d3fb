"""Layer 7: Stream, one object for both directions of a connection, and the functions that open one."""

from __future__ import annotations

from .._net.attempts import ConnectAttempt
from .connect_error import ConnectError, ConnectTimings
from .connect_stream import connect
from .opening import Opening
from .stream import Stream

__all__ = ["ConnectAttempt", "ConnectError", "ConnectTimings", "Opening", "Stream", "connect"]
