"""The raw transport: the object that a writer calls to send data.

A writer obtains the raw transport of its transport only through these classes.
"""

from __future__ import annotations

from typing import Any


class RawTransport:
    """The part of a transport that a writer calls directly. ``closing``: written data is discarded."""

    closing: bool

    def write(self, data: Any) -> object:
        """Send the bytes-like object ``data`` now, or buffer it until the kernel accepts it."""
        raise NotImplementedError

    def write_pieces(self, pieces: list[bytes]) -> object:
        """Send several non-empty bytes objects with one system call."""
        raise NotImplementedError

    def before_drain(self) -> object:
        """Called by drain() before it tests whether it must wait."""
        raise NotImplementedError

    def uncork(self) -> object:
        """Send the corked data."""
        raise NotImplementedError


class RawTransportProvider:
    """A transport with an attribute ``raw``: the RawTransport that writers call instead of the transport."""

    __slots__ = ()
