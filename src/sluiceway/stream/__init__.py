"""Layer 7: Stream, one object for both directions of a connection, and the functions that open one."""

from __future__ import annotations

from .._connection.close_info import CloseInfo
from .._net.attempts import ConnectAttempt
from .connect_error import ConnectError, ConnectTimings
from .connect_stream import connect
from .opening import Opening
from .state import StreamStats, TLSDetails
from .stream import Stream
from .timing import Deadline

__all__ = [
    "CloseInfo",
    "ConnectAttempt",
    "ConnectError",
    "ConnectTimings",
    "Deadline",
    "Opening",
    "Stream",
    "StreamStats",
    "TLSDetails",
    "connect",
]
