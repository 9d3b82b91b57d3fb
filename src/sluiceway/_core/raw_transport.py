"""The raw transport: how written bytes leave a writer.

A writer finds the raw transport inside its transport through these classes and nothing else.
"""

from __future__ import annotations

from typing import Any


class RawTransport:
    """The part of a transport that a writer calls directly. ``closing``: nothing that is written is sent any more."""

    closing: bool

    def write(self, data: Any) -> object:
        """Send ``data``, bytes-like, as soon as the peer takes it."""
        raise NotImplementedError

    def write_pieces(self, pieces: list[bytes]) -> object:
        """Send several bytes objects, none of them empty, in one go."""
        raise NotImplementedError

    def before_drain(self) -> object:
        """Every drain calls this before it looks whether there is room."""
        raise NotImplementedError

    def uncork(self) -> object:
        """Send what is corked."""
        raise NotImplementedError


class RawTransportProvider:
    """A transport that has an attribute ``raw``: the RawTransport that writers call in place of it."""

    __slots__ = ()
