"""Layer 1: what a stream is, without sockets and without a loop of its own (sans-IO).

Every file here is plain typed Python that is meant to be compiled a second time from the same source; imports between
the files are relative, so that each build finds its own siblings.
"""

from __future__ import annotations

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
