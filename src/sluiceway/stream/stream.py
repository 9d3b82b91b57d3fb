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

    ``connect()``, ``pair()``, ``pipe()``, ``stdio()`` and ``spawn()`` open streams, ``stream_handler()`` passes one to
    a server's handler, and ``Stream.from_pair(reader, writer)`` combines two halves. ``async with stream:`` or
    ``aclose()`` closes a stream. One task can read while any number of tasks send.

    A stream may have one direction only. The methods of the other one raise io.UnsupportedOperation.
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
