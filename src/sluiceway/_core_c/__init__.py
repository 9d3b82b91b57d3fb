"""The core of ``sluiceway._core``, compiled: the same files, each with a .pxd here that gives its fields types.

Importing it fails where it was not compiled; ``sluiceway._implementation`` asks, and nobody else.
"""

from .arguments import as_bytes, as_count, as_limit, as_seconds, as_separators
from .buffer import ChunkBuffer
from .flow import FlowCore
from .incoming import IncomingCore
from .live import LiveBuffer
from .reader import ReaderCore
from .state import ConnectionState
from .tls import TLSCore
from .writer import WriterCore

__all__ = [
    "ChunkBuffer",
    "ConnectionState",
    "FlowCore",
    "IncomingCore",
    "LiveBuffer",
    "ReaderCore",
    "TLSCore",
    "WriterCore",
    "as_bytes",
    "as_count",
    "as_limit",
    "as_seconds",
    "as_separators",
]
