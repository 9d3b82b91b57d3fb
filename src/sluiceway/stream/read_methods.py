"""StreamReading: the methods of Stream that read. Those that read once are compiled, in ``_core/stream_reads.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from .. import framing
from .._constants import DEFAULT_LIMIT, FRAME_MAXIMUM
from .._implementation import core
from .._piece import Piece
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
    ) -> Any:
        """Return an iterator over the lines of the stream. See :py:func:`sluiceway.lines`.

        ``timeout`` is the seconds that each item may take; after them the iteration raises TimeoutError, and the next
        iteration continues where it was.
        """
        return self._limited(framing.lines(self._readable("lines"), max_length=max_length, overlong=overlong), timeout)

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
    ) -> Any:
        """Return an iterator over records that end with ``separator``. See :py:func:`sluiceway.records`.

        ``timeout`` is that of :py:meth:`lines`.
        """
        records = framing.records(self._readable("records"), separator, max_length=max_length, overlong=overlong)
        return self._limited(records, timeout)

    @overload
    def frames(
        self,
        *,
        length_bytes: Literal[1, 2, 4, 8] = ...,
        byteorder: Literal["big", "little"] = ...,
        max_size: float = ...,
        oversize: Literal["raise", "skip", "truncate"] = ...,
        timeout: float | None = ...,
    ) -> Records[bytes]: ...
    @overload
    def frames(
        self,
        *,
        length_bytes: Literal[1, 2, 4, 8] = ...,
        byteorder: Literal["big", "little"] = ...,
        max_size: float = ...,
        oversize: Literal["chunks"],
        timeout: float | None = ...,
    ) -> Records[Piece]: ...
    def frames(
        self,
        *,
        length_bytes: Literal[1, 2, 4, 8] = 4,
        byteorder: Literal["big", "little"] = "big",
        max_size: float = FRAME_MAXIMUM,
        oversize: Policy = "raise",
        timeout: float | None = None,
    ) -> Any:
        """Return an iterator over length-prefixed frames. See :py:func:`sluiceway.frames`.

        ``timeout`` is that of :py:meth:`lines`.
        """
        frames = framing.frames(
            self._readable("frames"),
            length_bytes=length_bytes,
            byteorder=byteorder,
            max_size=max_size,
            oversize=oversize,
        )
        return self._limited(frames, timeout)

    def _limited(self, records: Any, timeout: float | None) -> Any:
        """Return ``records`` as an iterator of this stream, with a time limit for each item."""
        records.belong_to(self)
        if timeout is not None:
            records.limit_items(self._read_limit(), core.as_seconds(timeout, "timeout"))
        return records
