"""Stream: one object for a connection. Its methods are in the files of the parts that it is composed of."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, NoReturn

from .asyncio_names import STREAM, explain_attributes
from .close_methods import StreamClosing
from .frame_methods import StreamFraming
from .read_methods import StreamReading
from .state import StreamState


class Stream(StreamReading, StreamFraming, StreamClosing, StreamState):
    """A connection: reads, sends and closes in one object.

    ``async with stream:`` calls ``aclose()`` at the end of the block. If the block ends by a TimeoutError or a
    cancellation, the stream closes in the background, without a wait. One task can read while any number of tasks send.
    A stream may have one direction only. The methods of the other one raise io.UnsupportedOperation.

    By task:

    - Open: the functions ``connect()``, ``pair()``, ``pipe()``, ``stdio()`` and ``spawn()`` of sluiceway. In a server,
      ``stream_handler()`` makes a stream of each connection. ``from_pair()`` combines a reader and a writer.
    - Read: ``read()`` returns what has arrived, ``read_line()`` a line, ``read_until()`` a record, ``read_exactly()`` a
      number of bytes, and ``read_all()`` everything up to the end. ``readinto()`` and ``read_exactly_into()`` write
      into a buffer of the program.
    - Iterate, with ``async for``: ``lines()``, ``records()`` and ``frames()``.
    - Look ahead: ``peek()`` takes nothing, ``skip()`` drops bytes, and ``push_back()`` returns bytes to the stream.
    - Write: ``send()`` sends bytes, ``send_frame()`` a frame, and ``sendfile()`` a file. ``flush()`` waits until the
      kernel has every byte. ``send_eof()`` ends the direction.
    - Encrypt: ``connect()`` does a TLS handshake for ``tls://``, ``start_tls()`` upgrades an open connection.
    - Limit the time: each method that waits has ``timeout=``, a block has ``deadline()``, and an idle connection
      ``idle_timeout``.
    - Close: ``aclose()`` sends what is buffered and closes, and returns what happened. ``abort()`` discards what is
      buffered. After both, and after a loss, ``is_closing()`` returns True.
    - Information: ``peer`` and ``local`` are the addresses, ``tls`` is what TLS has negotiated, ``eof_reason`` is why
      the input has ended, ``stats`` has the numbers of bytes, and ``timings`` is how long ``connect()`` took.
    - Code that takes asyncio's streams: ``reader`` and ``writer``.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        state = ""
        if self.is_closing():
            links = self._connections()
            failed = any(connection.error or connection.keep_record().error for connection in links)
            ended = all(connection.lost for connection in links)
            state = " closing" if not ended else " lost" if failed else " closed"
        return f"<{type(self).__name__} {self._describe()}{state}>"

    if not TYPE_CHECKING:

        def __aiter__(self) -> NoReturn:
            # asyncio's reader iterates over lines, trio's and anyio's streams over chunks.
            raise TypeError(
                f"a Stream has no items of its own: iterate over {type(self).__name__}.lines(), records() or frames(), "
                f"or call read() until it returns b'' ({self!r})"
            )


def _name_methods() -> None:
    """Set the ``__qualname__`` of each method to Stream.…: Python's messages about arguments contain it."""
    for part in Stream.__mro__:
        if part.__module__.startswith(__package__):
            for name, value in vars(part).items():
                function = getattr(value, "__func__", value)
                if inspect.isfunction(function):
                    function.__qualname__ = f"Stream.{name}"


_name_methods()
explain_attributes(Stream, STREAM)
