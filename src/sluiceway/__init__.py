"""asyncio's streams, name for name: complete, losing nothing.

The API is that of https://docs.python.org/3/library/asyncio-stream.html; docs/differences.md has what differs.
"""

from ._edges.connect import open_connection, open_unix_connection
from ._edges.install import install, installed, uninstall
from ._edges.listen import start_server, start_unix_server
from ._edges.server import Server
from ._facts.errors import IncompleteReadError, LimitOverrunError, PlaintextBeforeTLSError, UnixPathError
from ._implementation import IMPLEMENTATION
from ._streams.protocol import FlowControlMixin, StreamReaderProtocol
from ._streams.reader import StreamReader
from ._streams.writer import StreamWriter
from ._transports.engine import ENGINE

__version__ = "0.1.0"

__all__ = [
    "ENGINE",
    "IMPLEMENTATION",
    "FlowControlMixin",
    "IncompleteReadError",
    "LimitOverrunError",
    "PlaintextBeforeTLSError",
    "Server",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "UnixPathError",
    "__version__",
    "install",
    "installed",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
    "uninstall",
]
