"""StreamReading: the methods of Stream that return iterators. The other reads are in ``_core/stream_reads.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from .._constants import DEFAULT_LIMIT, FRAME_MAXIMUM
from .._implementation import core
from .._piece import Piece
from ..framing import functions
from ..framing.record_types import Policy, Records
from .halves import StreamHalves

if TYPE_CHECKING:
    from .._core.validation import BytesLike


class StreamReading(StreamHalves):
    """The methods of Stream that return iterators."""

    __slots__ = ()

    @overload
    def lines(
        self,
        *,
        max_length: float = ...,
        overlong: Literal["raise", "skip", "truncate"] = ...,
        timeout: float | None = ...,
    ) -> Records[bytes]: ...
    @overload
    def lines(
        self, *, max_length: float = ..., overlong: Literal["chunks"], timeout: float | None = ...
    ) -> Records[Piece]: ...
    def lines(
        self, *, max_length: float = DEFAULT_LIMIT, overlong: Policy = "raise", timeout: float | None = None
    ) -> Records[bytes] | Records[Piece]:
        """Return an iterator over the lines of the stream.

        See :py:func:`sluiceway.lines`, which also names the errors of the iteration.

        Args:
            max_length (int or math.inf): the greatest length of a line without its ``\\n``, in bytes.
            overlong (str): what happens to a longer line: ``"raise"``, ``"skip"``, ``"truncate"`` or ``"chunks"``.
            timeout (float or None): the seconds that each item may take. If an item takes longer, the iterator raises
                TimeoutError and loses nothing: another ``async for`` or ``anext()`` of the iterator continues with this
                item.

        Raises:
            ValueError, TypeError: ``max_length`` or ``timeout`` is not a number greater than 0, or ``overlong`` is
                unknown.
            RuntimeError: a read of another task is waiting. The message names the task.
            ConnectionError: the program has closed the stream. The iterator raises this error too.
            io.UnsupportedOperation: the stream can only be written.
        """
        reader = self._readable("lines")
        return self._limited(functions.lines_of(reader, self, max_length, overlong), "lines", timeout)

    @overload
    def records(
        self,
        separator: BytesLike | tuple[BytesLike, ...],
        *,
        max_length: float = ...,
        overlong: Literal["raise", "skip", "truncate"] = ...,
        timeout: float | None = ...,
    ) -> Records[bytes]: ...
    @overload
    def records(
        self,
        separator: BytesLike | tuple[BytesLike, ...],
        *,
        max_length: float = ...,
        overlong: Literal["chunks"],
        timeout: float | None = ...,
    ) -> Records[Piece]: ...
    def records(
        self,
        separator: BytesLike | tuple[BytesLike, ...],
        *,
        max_length: float = DEFAULT_LIMIT,
        overlong: Policy = "raise",
        timeout: float | None = None,
    ) -> Records[bytes] | Records[Piece]:
        """Return an iterator over records that end with ``separator``. See :py:func:`sluiceway.records`.

        The call raises the errors that :py:meth:`lines` names. It raises ValueError if ``separator`` is an empty
        tuple, or if a separator is empty or a memoryview that was released, and TypeError if ``separator`` has a wrong
        type.

        Args:
            separator (a bytes-like object or a tuple of them): the end of a record.
            max_length (int or math.inf): the greatest length of a record without its separator, in bytes.
            overlong (str): what happens to a longer record: ``"raise"``, ``"skip"``, ``"truncate"`` or ``"chunks"``.
            timeout (float or None): the seconds that each item may take; see :py:meth:`lines`.
        """
        reader = self._readable("records")
        return self._limited(functions.records_of(reader, self, separator, max_length, overlong), "records", timeout)

    @overload
    def frames(
        self,
        *,
        length_bytes: Literal[1, 2, 4, 8] = ...,
        byteorder: Literal["big", "little"] = ...,
        max_size: float = ...,
        overlong: Literal["raise", "skip", "truncate"] = ...,
        timeout: float | None = ...,
    ) -> Records[bytes]: ...
    @overload
    def frames(
        self,
        *,
        length_bytes: Literal[1, 2, 4, 8] = ...,
        byteorder: Literal["big", "little"] = ...,
        max_size: float = ...,
        overlong: Literal["chunks"],
        timeout: float | None = ...,
    ) -> Records[Piece]: ...
    def frames(
        self,
        *,
        length_bytes: Literal[1, 2, 4, 8] = 4,
        byteorder: Literal["big", "little"] = "big",
        max_size: float = FRAME_MAXIMUM,
        overlong: Policy = "raise",
        timeout: float | None = None,
    ) -> Records[bytes] | Records[Piece]:
        """Return an iterator over length-prefixed frames. See :py:func:`sluiceway.frames`.

        The call raises the errors that :py:meth:`lines` names, for ``max_size`` instead of ``max_length``. If
        ``length_bytes`` or ``byteorder`` is not one of the values below, it raises ValueError.

        Args:
            length_bytes (int): the size of the length prefix in bytes: 1, 2, 4 or 8.
            byteorder (str): the order of the bytes of the prefix, ``"big"`` or ``"little"``.
            max_size (int or math.inf): the greatest size of a frame without its prefix, in bytes.
            overlong (str): what happens to a larger frame: ``"raise"``, ``"skip"``, ``"truncate"`` or ``"chunks"``.
            timeout (float or None): the seconds that each item may take; see :py:meth:`lines`.
        """
        frames = functions.frames_of(self._readable("frames"), self, length_bytes, byteorder, max_size, overlong)
        return self._limited(frames, "frames", timeout)

    def _limited(self, records: Any, call: str, timeout: float | None) -> Records[bytes] | Records[Piece]:
        """Return ``records``, which from now on raises after the close of this stream.

        If ``timeout`` is not None, each item raises TimeoutError after ``timeout`` seconds. ``call``: for messages.
        """
        limited: Records[bytes] | Records[Piece] = records
        records.belong_to(self)
        if timeout is not None:
            records.limit_items(self._read_limit(), core.as_seconds(timeout, f"{call}(): timeout", self))
        return limited
