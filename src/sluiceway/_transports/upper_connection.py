"""The connection of a program that uses a transport, possibly through adapters of protocols and TLS."""

from __future__ import annotations

from typing import Any

from .._implementation import core
from .loop_adapter import LoopAdapter
from .tls.lower_protocol import LowerProtocol


def upper_connection(transport: Any) -> Any:
    """Return the Connection whose reads and writes use ``transport``; None for a protocol of the program."""
    protocol = transport.get_protocol()
    while isinstance(protocol, LoopAdapter | LowerProtocol):
        protocol = protocol.upper_protocol()
    # Not isinstance(): it is true for a mock with a spec.
    return protocol._sluiceway if issubclass(type(protocol), core.ProtocolOperations) else None
