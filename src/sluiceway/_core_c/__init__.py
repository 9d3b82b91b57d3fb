"""The core of ``sluiceway._core``, compiled: the same files, each with a .pxd here that gives its fields types.

Importing it fails where it was not compiled; ``sluiceway._implementation`` asks, and nobody else.
"""

from .bytearray_buffer import LiveBuffer
from .chunk_buffer import ChunkBuffer
from .connection_state import ConnectionState
from .flow_control import FlowCore
from .read_operations import ReaderCore
from .receiver import IncomingCore
from .tls_receive import TLSCore
from .validation import as_bytes, as_count, as_limit, as_seconds, as_separators
from .write_operations import WriterCore

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
