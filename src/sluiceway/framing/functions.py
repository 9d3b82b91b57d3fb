"""lines(), records() and frames(): iterators over the records of any reader."""

from __future__ import annotations

import asyncio
from asyncio.streams import StreamReader as AsyncioReader
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from .._asyncio.reader import StreamReader
from .._constants import DEFAULT_LIMIT, FRAME_MAXIMUM
from .._implementation import core
from .._piece import Piece
from .choices import BYTE_ORDERS, POLICIES, PREFIX_SIZES, choice
from .record_types import Policy, Records

if TYPE_CHECKING:
    from .._core.validation import BytesLike


@overload
def lines(
    reader: StreamReader | asyncio.StreamReader,
    *,
    max_length: float = ...,
    overlong: Literal["raise", "skip", "truncate"] = ...,
) -> Records[bytes]: ...
@overload
def lines(
    reader: StreamReader | asyncio.StreamReader, *, max_length: float = ..., overlong: Literal["chunks"]
) -> Records[Piece]: ...
def lines(
    reader: StreamReader | asyncio.StreamReader, *, max_length: float = DEFAULT_LIMIT, overlong: Policy = "raise"
) -> Records[bytes] | Records[Piece]:
    """Return an iterator over the lines of ``reader``: ``async for line in sluiceway.lines(process.stdout): …``.

    Each line has its ``\\n``, except the last line of a stream that does not end with one. The iterator keeps no bytes
    between two lines, and none when it is cancelled or left early; see Records.

    Args:
        reader (StreamReader or asyncio.StreamReader): the reader: of a connection, of the output of a child process, of
            standard input.
        max_length (int or math.inf): the greatest length of a line without its ``\\n``, in bytes. It may exceed the
            limit of the reader.
        overlong (str): what happens to a longer line. ``"raise"``: LimitOverrunError is raised, and the bytes stay in
            the reader. ``"skip"``: the line is dropped and counted in ``skipped``. ``"truncate"``: its first
            ``max_length`` bytes are an item, without a ``\\n``; the rest is dropped, and the line counted in
            ``truncated``. ``"chunks"``: each item is a Piece of at most ``max_length`` bytes; the last piece of a line
            has its ``\\n`` in addition.

    Returns:
        The iterator, a Records object.

    Raises:
        TypeError: ``reader`` is not a StreamReader of sluiceway or asyncio, or ``max_length`` is neither an integer nor
            ``math.inf``.
        ValueError: ``max_length`` is not greater than 0, or ``overlong`` is unknown.

    The iteration raises:

    - LimitOverrunError: a line is too long, with ``overlong="raise"``. ``consumed`` is the number of bytes of the line
      that have arrived, without its ``\\n``.
    - RuntimeError: another read is waiting.
    - Exception: the error of a lost connection, after the complete lines that arrived before the loss. The exception
      passed to ``set_exception()`` of sluiceway's reader is raised immediately.

    Source: Go's ``bufio.Scanner``, tokio-util's ``LinesCodec``.
    """
    return lines_of(reader, reader, max_length, overlong)


@overload
def records(
    reader: StreamReader | asyncio.StreamReader,
    separator: BytesLike | tuple[BytesLike, ...],
    *,
    max_length: float = ...,
    overlong: Literal["raise", "skip", "truncate"] = ...,
) -> Records[bytes]: ...
@overload
def records(
    reader: StreamReader | asyncio.StreamReader,
    separator: BytesLike | tuple[BytesLike, ...],
    *,
    max_length: float = ...,
    overlong: Literal["chunks"],
) -> Records[Piece]: ...
def records(
    reader: StreamReader | asyncio.StreamReader,
    separator: BytesLike | tuple[BytesLike, ...],
    *,
    max_length: float = DEFAULT_LIMIT,
    overlong: Policy = "raise",
) -> Records[bytes] | Records[Piece]:
    """Return an iterator over the records of ``reader`` that end with ``separator``.

    Each record includes the separator that ended it. Everything else is as for lines(), except the end of the stream:
    bytes without a separator at the end raise IncompleteReadError. ``partial`` has these bytes, except those that were
    dropped or were in an earlier piece.

    Args:
        reader (StreamReader or asyncio.StreamReader): see lines().
        separator (a bytes-like object or a tuple of them): the end of a record. Of several separators, the one that
            ends first in the data counts.
        max_length (int or math.inf): the greatest length of a record without its separator, in bytes.
        overlong (str): what happens to a longer record; see lines().

    Returns:
        The iterator, a Records object.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: ``separator`` is empty, ``max_length`` is not greater than 0, or ``overlong`` is unknown.
    """
    return records_of(reader, reader, separator, max_length, overlong)


@overload
def frames(
    reader: StreamReader | asyncio.StreamReader,
    *,
    length_bytes: Literal[1, 2, 4, 8] = ...,
    byteorder: Literal["big", "little"] = ...,
    max_size: float = ...,
    overlong: Literal["raise", "skip", "truncate"] = ...,
) -> Records[bytes]: ...
@overload
def frames(
    reader: StreamReader | asyncio.StreamReader,
    *,
    length_bytes: Literal[1, 2, 4, 8] = ...,
    byteorder: Literal["big", "little"] = ...,
    max_size: float = ...,
    overlong: Literal["chunks"],
) -> Records[Piece]: ...
def frames(
    reader: StreamReader | asyncio.StreamReader,
    *,
    length_bytes: Literal[1, 2, 4, 8] = 4,
    byteorder: Literal["big", "little"] = "big",
    max_size: float = FRAME_MAXIMUM,
    overlong: Policy = "raise",
) -> Records[bytes] | Records[Piece]:
    """Return an iterator over the frames of ``reader``, each of which begins with its length.

    The items have no prefix. The iterator keeps no bytes between two frames, and none when it is cancelled or left
    early; see Records. Memory is allocated as bytes arrive, whatever length the peer announces: at most 1 MiB
    beyond the bytes of the frame that have arrived, or as much as has arrived if that is more.

    Args:
        reader (StreamReader or asyncio.StreamReader): see lines().
        length_bytes (int): the size of the prefix in bytes: 1, 2, 4 or 8. The prefix is an unsigned number, and does
            not count itself.
        byteorder (str): the order of the bytes of the prefix: ``"big"``, as in network protocols, or ``"little"``.
        max_size (int or math.inf): the greatest size of a frame without its prefix, in bytes.
        overlong (str): what happens to a larger frame. ``"raise"``: LimitOverrunError is raised, and prefix and frame
            stay in the reader. ``"skip"``: the frame is dropped and counted in ``skipped``. ``"truncate"``: its first
            ``max_size`` bytes are an item; the rest is dropped, and the frame counted in ``truncated``. ``"chunks"``:
            each item is a Piece of at most ``max_size`` bytes.

    Returns:
        The iterator, a Records object.

    Raises:
        TypeError: ``reader`` is not a StreamReader of sluiceway or asyncio, or ``max_size`` is neither an integer nor
            ``math.inf``.
        ValueError: ``max_size`` is not greater than 0, or another argument has a value that is not listed above.

    The iteration raises:

    - LimitOverrunError: a frame is too large, with ``overlong="raise"``. ``consumed`` is the size of prefix and frame.
    - IncompleteReadError: the stream ended inside a frame. ``partial`` has the bytes that arrived of prefix and frame,
      except those that were dropped or were in an earlier piece. With ``overlong="chunks"``, it lacks the prefix if the
      frame is larger than ``max_size``.
    - RuntimeError: another read is waiting.
    - Exception: the error of a lost connection, after the complete frames that arrived before the loss. The exception
      passed to ``set_exception()`` of sluiceway's reader is raised immediately.

    Source: tokio-util's ``LengthDelimitedCodec``, Erlang's ``{packet, N}``.
    """
    return frames_of(reader, reader, length_bytes, byteorder, max_size, overlong)


def lines_of(reader: object, stream: object, max_length: object, overlong: object) -> Records[bytes] | Records[Piece]:
    """Return the iterator of lines() over ``reader``. ``stream``: the Stream, or again the reader, for messages."""
    source = _source(reader, "lines")
    size = core.as_size(max_length, "lines", "max_length", 1, stream)
    policy = choice(overlong, POLICIES, "lines", "overlong", stream)
    return cast(
        "Records[bytes] | Records[Piece]", core.SeparatedRecords(*source, "lines", size, policy, (b"\n",), True)
    )


def records_of(
    reader: object, stream: object, separator: object, max_length: object, overlong: object
) -> Records[bytes] | Records[Piece]:
    """Return the iterator of records() over ``reader``. ``stream``: see lines_of()."""
    source = _source(reader, "records")
    separators = core.as_separators(separator, "records", stream)
    size = core.as_size(max_length, "records", "max_length", 1, stream)
    policy = choice(overlong, POLICIES, "records", "overlong", stream)
    return cast(
        "Records[bytes] | Records[Piece]", core.SeparatedRecords(*source, "records", size, policy, separators, False)
    )


def frames_of(
    reader: object, stream: object, length_bytes: object, byteorder: object, max_size: object, overlong: object
) -> Records[bytes] | Records[Piece]:
    """Return the iterator of frames() over ``reader``. ``stream``: see lines_of()."""
    source = _source(reader, "frames")
    prefix = PREFIX_SIZES[choice(length_bytes, PREFIX_SIZES, "frames", "length_bytes", stream)]
    little = bool(choice(byteorder, BYTE_ORDERS, "frames", "byteorder", stream))
    size = core.as_size(max_size, "frames", "max_size", 1, stream)
    policy = choice(overlong, POLICIES, "frames", "overlong", stream)
    return cast("Records[bytes] | Records[Piece]", core.LengthPrefixed(*source, "frames", size, policy, prefix, little))


def _source(reader: Any, call: str) -> tuple[StreamReader | None, Any]:
    """Return ``reader`` and None; for asyncio's own reader, None and a BorrowedReader. Else raise TypeError."""
    # While sluiceway is installed, asyncio's readers count as instances of StreamReader.
    if isinstance(reader, core.ReadOperations):
        return cast("StreamReader", reader), None
    if isinstance(reader, AsyncioReader):
        return None, core.BorrowedReader(reader)
    hint = f"; call its method {call}()" if isinstance(getattr(reader, "reader", None), StreamReader) else ""
    raise TypeError(
        f"{call}(): reader must be a StreamReader of sluiceway or asyncio, not {type(reader).__name__!r}: "
        f"{reader!r}{hint}"
    )
