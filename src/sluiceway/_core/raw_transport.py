"""RawTransport: the object that a writer calls to send data, instead of the asyncio.Transport of the connection.

A writer finds the raw transport as the attribute ``raw`` of a RawTransportProvider, or as ConnectionState.loop_writer.
Without either, the writer calls write() of the transport.
"""

from __future__ import annotations

from typing import Any


class RawTransport:
    """The part of a transport that a writer calls directly.

    ``closing``: True if the transport is closing. A writer then discards its data, and does not call write(). A
    LoopWriter and a TLSSender, which are not called when the transport below starts to close, set the attribute in
    before_drain().
    """

    closing: bool

    def write(self, data: Any) -> object:
        """Send the bytes object ``data``, or delay it. What the kernel does not accept is buffered and sent later."""
        raise NotImplementedError

    def write_pieces(self, pieces: list[bytes]) -> object:
        """Send the bytes objects ``pieces``, none of them empty, as write() does, if possible with one system call."""
        raise NotImplementedError

    def before_drain(self) -> object:
        """Called by drain() before drain() tests whether it must wait.

        Update ``closing`` if it may be out of date, and send data that was delayed more than a millisecond ago.
        """
        raise NotImplementedError

    def uncork(self) -> object:
        """Send the data that was delayed to be sent together with later writes (corked data)."""
        raise NotImplementedError

    def unsent_size(self) -> int:
        """Return the number of buffered bytes.

        -1, as in this class, means that this object does not know the number, and ``closing`` may be out of date. The
        caller must then call get_write_buffer_size() and is_closing() of the transport.
        """
        return -1

    def corking(self, size: int) -> Any:
        """Return the Stepper that must delay a write, or None, as in this class, if the write must be sent at once.

        Called by a TLSSender that sends its records through this object. ``size``: the number of bytes that are pending
        after the write.
        """
        return None


class Corkable(RawTransport):
    """A raw transport that delays writes until a Stepper calls ``flush_corked()``."""

    def flush_corked(self) -> object:
        """Send the delayed data, at the end of the round in which it was written."""
        raise NotImplementedError

    def drop_corked(self) -> None:
        """Drop the delayed data in a forked child: the parent sends it. In this class, there is none."""


class RawTransportProvider:
    """The base class of transports with an attribute ``raw``, the RawTransport that writers call instead."""

    __slots__ = ()

    def discarded_size(self) -> int:
        """Return how many written bytes were discarded when the connection ended; -1, as here, if that is unknown."""
        return -1
