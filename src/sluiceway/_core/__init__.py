"""Layer 1: what a stream is, without sockets and without a loop of its own (sans-IO).

Every file here is plain typed Python that is meant to be compiled a second time from the same source; imports between
the files are relative, so that each build finds its own siblings.
"""

from __future__ import annotations

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
