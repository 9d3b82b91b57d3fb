"""A drop-in replacement for asyncio's streams: the same names and behaviour, faster, and without loss of data.

The API is that of https://docs.python.org/3/library/asyncio-stream.html. The differences are in
docs/explanation/differences.md.
"""

from . import _debugging
from ._asyncio.install import install, installed, is_installed, uninstall
from ._asyncio.open_connection import open_connection, open_unix_connection
from ._asyncio.protocol import FlowControlMixin, StreamReaderProtocol
from ._asyncio.reader import StreamReader
from ._asyncio.server import Server
from ._asyncio.start_server import start_server, start_unix_server
from ._asyncio.writer import StreamWriter
from ._errors import IncompleteReadError, LimitOverrunError, PlaintextBeforeTLSError, UnixPathError
from ._implementation import IMPLEMENTATION
from ._piece import Piece
from ._transports.engine_choice import ENGINE
from .framing import Records, frames, lines, records
from .stream import (
    ChildProcess,
    CloseInfo,
    ConnectAttempt,
    ConnectError,
    ConnectTimings,
    Deadline,
    Opening,
    Stream,
    StreamPair,
    StreamStats,
    TLSDetails,
    connect,
    pair,
    pipe,
    spawn,
    stdio,
    stream_handler,
)

__version__ = "0.1.0"

__all__ = [
    "ENGINE",
    "IMPLEMENTATION",
    "ChildProcess",
    "CloseInfo",
    "ConnectAttempt",
    "ConnectError",
    "ConnectTimings",
    "Deadline",
    "FlowControlMixin",
    "IncompleteReadError",
    "LimitOverrunError",
    "Opening",
    "Piece",
    "PlaintextBeforeTLSError",
    "Records",
    "Server",
    "Stream",
    "StreamPair",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamStats",
    "StreamWriter",
    "TLSDetails",
    "UnixPathError",
    "__version__",
    "connect",
    "frames",
    "install",
    "installed",
    "is_installed",
    "lines",
    "open_connection",
    "open_unix_connection",
    "pair",
    "pipe",
    "records",
    "spawn",
    "start_server",
    "start_unix_server",
    "stdio",
    "stream_handler",
    "uninstall",
]

_debugging.prepare_compiled_modules()
