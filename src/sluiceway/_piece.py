"""Piece: a part of a record, for the over-limit policy ``"chunks"``."""

from __future__ import annotations

from typing import NamedTuple


class Piece(NamedTuple):
    """A part of a line, record or frame that is longer than its limit, or the whole if it is not.

    Attributes:
        data (bytes): the bytes.
        last (bool): True if the record ends with this piece.
    """

    data: bytes
    last: bool
