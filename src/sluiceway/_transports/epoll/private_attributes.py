"""The private attributes of asyncio's socket transport that published programs use, for SocketTransport.

They are properties and one method, so they take no memory per connection. An assignment has the same effect as in
asyncio, with these exceptions:

- The only value for ``_sock`` is None. ``_sock_fd`` and ``_server`` accept only the value that they have.
- A value for ``_buffer`` is copied, and what the kernel accepts is sent at once.
- A value for ``_high_water`` or ``_low_water`` changes the other one too, if the low mark would otherwise exceed the
  high mark.
"""

from __future__ import annotations

import collections
import socket
import sys
from typing import Any

from .stream_socket import StreamSocket

_BUFFER_OF_PIECES: bool = sys.version_info >= (3, 12)


class _NoSocket:
    """Replaces the socket of a transport after the program has taken the socket over."""

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass

    def getsockname(self) -> None:
        return None


_NO_SOCKET: Any = _NoSocket()


class PrivateAttributes:
    """A base class of SocketTransport, which has the attribute ``raw``."""

    __slots__ = ()

    raw: StreamSocket

    @property
    def _sock(self) -> socket.socket | None:
        """The socket; None once it is closed or the program has taken it over.

        An access ends corking, because the program may write to the socket. During loop.sendfile() without TLS, another
        object for the same socket.
        """
        sock: socket.socket
        if self.raw.file_copy is not None:
            sock = self.raw.file_copy.socket()
            return sock
        if self.raw.fileno() < 0:
            return None
        sock = self.raw.socket()
        self.raw.share()
        return sock

    @_sock.setter
    def _sock(self, sock: None) -> None:
        """Let the program take the socket over: the transport neither uses nor closes it any more.

        Any other value than None raises TypeError, because the kernel watches the descriptor of this socket.
        """
        if sock is not None:
            raise TypeError(
                f"_sock of this transport cannot be set to {sock!r}; only None is accepted, which leaves the socket to "
                "the program"
            )
        if self._sock is None:
            # Closed, or taken over before.
            return
        self.raw.give_up_socket(_NO_SOCKET)

    @property
    def _sock_fd(self) -> int:
        self.raw.socket()
        self.raw.share()
        return self.raw.fileno()

    @_sock_fd.setter
    def _sock_fd(self, descriptor: int) -> None:
        """Do nothing. Any other value than the present one raises TypeError: the kernel watches this descriptor."""
        if descriptor != self._sock_fd:
            raise TypeError(f"_sock_fd of this transport cannot be set to {descriptor!r}; it is {self._sock_fd}")

    @property
    def _server(self) -> None:
        """Always None. asyncio's server counts connections by this attribute; here ServerConnections are counted."""
        return None

    @_server.setter
    def _server(self, server: None) -> None:
        """Do nothing. Any other value than None raises TypeError: the transport would not report its end to it."""
        if server is not None:
            raise TypeError(f"_server of this transport cannot be set to {server!r}; it is None")

    @property
    def _protocol(self) -> Any:
        return self.raw.get_protocol()

    @_protocol.setter
    def _protocol(self, protocol: Any) -> None:
        self.raw.set_protocol(protocol)

    @property
    def _closing(self) -> bool:
        return self.raw.closing

    @_closing.setter
    def _closing(self, closing: bool) -> None:
        self.raw.closing = closing

    @property
    def _conn_lost(self) -> int:
        return self.raw.lost_writes

    @_conn_lost.setter
    def _conn_lost(self, number: int) -> None:
        self.raw.lost_writes = number

    @property
    def _eof(self) -> bool:
        return self.raw.eof_written

    @_eof.setter
    def _eof(self, written: bool) -> None:
        self.raw.eof_written = written

    @property
    def _paused(self) -> bool:
        return self.raw.reading_paused

    @_paused.setter
    def _paused(self, paused: bool) -> None:
        self.raw.reading_paused = paused

    @property
    def _protocol_paused(self) -> bool:
        return self.raw.writing_paused

    @_protocol_paused.setter
    def _protocol_paused(self, paused: bool) -> None:
        self.raw.writing_paused = paused

    @property
    def _high_water(self) -> int:
        return self.raw.get_write_buffer_limits()[1]

    @_high_water.setter
    def _high_water(self, size: int) -> None:
        self.raw.set_write_buffer_limits(size, min(size, self._low_water))

    @property
    def _low_water(self) -> int:
        return self.raw.get_write_buffer_limits()[0]

    @_low_water.setter
    def _low_water(self, size: int) -> None:
        self.raw.set_write_buffer_limits(max(size, self._high_water), size)

    @property
    def _buffer(self) -> Any:
        """The unsent data: a deque of memoryviews, as in asyncio since Python 3.12; a bytearray in Python 3.11.

        Each access sends corked data first, and returns a new object. Changing this object has no effect. An assignment
        replaces the unsent data, and sends what the kernel accepts.
        """
        self.raw.uncork()
        pieces = self.raw.queue.waiting()
        return collections.deque(pieces) if _BUFFER_OF_PIECES else bytearray().join(pieces)

    @_buffer.setter
    def _buffer(self, data: Any) -> None:
        queue = self.raw.queue
        queue.clear()
        for piece in [data] if isinstance(data, (bytes, bytearray, memoryview)) else data:
            if len(piece):
                queue.append(bytes(piece))
        self.raw.uncork()

    def _fatal_error(self, error: BaseException, message: str = "Fatal error on transport") -> None:
        self.raw.fail(error, message)
