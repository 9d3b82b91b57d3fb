"""Layer 7: Stream, one object for both directions of a connection, and the functions that open one."""

from __future__ import annotations

from .._connection.close_info import CloseInfo
from .._net.attempts import ConnectAttempt
from .child_process import ChildProcess
from .connect_error import ConnectError, ConnectTimings
from .connect_stream import connect
from .opening import Opening
from .pair import StreamPair, pair
from .pipe import pipe, stdio
from .spawn import spawn
from .state import StreamStats, TLSDetails
from .stream import Stream
from .stream_handler import stream_handler
from .timing import Deadline

__all__ = [
    "ChildProcess",
    "CloseInfo",
    "ConnectAttempt",
    "ConnectError",
    "ConnectTimings",
    "Deadline",
    "Opening",
    "Stream",
    "StreamPair",
    "StreamStats",
    "TLSDetails",
    "connect",
    "pair",
    "pipe",
    "spawn",
    "stdio",
    "stream_handler",
]
