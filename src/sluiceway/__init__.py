"""A drop-in replacement for asyncio's streams: the same names and behaviour, faster, and without loss of data.

The API is that of https://docs.python.org/3/library/asyncio-stream.html. The differences are in
docs/explanation/differences.md. Stream, which ``connect()`` and other functions open, is an API for new programs.
"""

import contextlib
import importlib
import os
import threading
import typing

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

if typing.TYPE_CHECKING:
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
        stdio,
    )

    # By their modules, which have the same names: mypy 2 reports other imports as a second definition.
    from .stream.pair import pair
    from .stream.pipe import pipe
    from .stream.spawn import spawn
    from .stream.stream_handler import stream_handler
else:

    def __getattr__(name: str) -> typing.Any:
        """Import the Stream API at its first use, so that other programs import fewer modules."""
        if name != "stream" and name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        stream = importlib.import_module(".stream", __name__)
        globals()[name] = value = stream if name == "stream" else getattr(stream, name)
        return value

    def _before_fork() -> None:
        """Complete the import of the Stream API, which another thread may have begun: in the child, it never ends."""
        if threading.active_count() > 1:
            # The import fails in a chroot or without a free descriptor. At its first use, a name then raises the error.
            with contextlib.suppress(Exception):
                importlib.import_module(".stream", __name__)

    if hasattr(os, "register_at_fork"):
        # Windows has no fork.
        os.register_at_fork(before=_before_fork)


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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
