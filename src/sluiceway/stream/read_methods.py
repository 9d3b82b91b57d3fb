"""StreamReading: the methods of Stream that read. Those that read once are compiled, in ``_core/stream_reads.py``."""

from __future__ import annotations

from typing import Any, Literal, overload

from .. import framing
from .._constants import DEFAULT_LIMIT, FRAME_MAXIMUM
from .._core.validation import BytesLike
from .._piece import Piece
from ..framing.record_types import Policy, Records
from .halves import StreamHalves


class StreamReading(StreamHalves):
    """The methods of Stream that return iterators."""

    __slots__ = ()

    @overload
    def lines(
        self, *, max_length: float = ..., overlong: Literal["raise", "skip", "truncate"] = ...
    ) -> Records[bytes]: ...
    @overload
    def lines(self, *, max_length: float = ..., overlong: Literal["chunks"]) -> Records[Piece]: ...
    def lines(self, *, max_length: float = DEFAULT_LIMIT, overlong: Policy = "raise") -> Any:
        """Return an iterator over the lines of the stream. See :py:func:`sluiceway.lines`."""
        return framing.lines(self.reader, max_length=max_length, overlong=overlong)

    @overload
    def records(
        self,
        separator: BytesLike | tuple[BytesLike, ...],
        *,
        max_length: float = ...,
        overlong: Literal["raise", "skip", "truncate"] = ...,
    ) -> Records[bytes]: ...
    @overload
    def records(
        self,
        separator: BytesLike | tuple[BytesLike, ...],
        *,
        max_length: float = ...,
        overlong: Literal["chunks"],
    ) -> Records[Piece]: ...
    def records(
        self,
        separator: BytesLike | tuple[BytesLike, ...],
        *,
        max_length: float = DEFAULT_LIMIT,
        overlong: Policy = "raise",
    ) -> Any:
        """Return an iterator over records that end with ``separator``. See :py:func:`sluiceway.records`."""
        return framing.records(self.reader, separator, max_length=max_length, overlong=overlong)

    @overload
    def frames(
        self,
        *,
        length_bytes: Literal[1, 2, 4, 8] = ...,
        byteorder: Literal["big", "little"] = ...,
        max_size: float = ...,
        oversize: Literal["raise", "skip", "truncate"] = ...,
    ) -> Records[bytes]: ...
    @overload
    def frames(
        self,
        *,
        length_bytes: Literal[1, 2, 4, 8] = ...,
        byteorder: Literal["big", "little"] = ...,
        max_size: float = ...,
        oversize: Literal["chunks"],
    ) -> Records[Piece]: ...
    def frames(
        self,
        *,
        length_bytes: Literal[1, 2, 4, 8] = 4,
        byteorder: Literal["big", "little"] = "big",
        max_size: float = FRAME_MAXIMUM,
        oversize: Policy = "raise",
    ) -> Any:
        """Return an iterator over length-prefixed frames. See :py:func:`sluiceway.frames`."""
        return framing.frames(
            self.reader, length_bytes=length_bytes, byteorder=byteorder, max_size=max_size, oversize=oversize
        )
