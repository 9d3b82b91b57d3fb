"""Piece: what lines(), records() and frames() return with ``overlong="chunks"``."""

from __future__ import annotations

from typing import NamedTuple


class Piece(NamedTuple):
    """An item of lines(), records() or frames() with ``overlong="chunks"``: a record, or a part of one.

    A record that is longer than ``max_length`` or ``max_size`` is several pieces. Any other record is one piece.

    Attributes:
        data (bytes): at most ``max_length`` or ``max_size`` bytes. With lines() and records(), the last piece of a
            record has the separator in addition. Only the last line of a stream may have no separator.
        last (bool): True for the last piece of a record, also if it is the only one. If the stream ends within a record
            of records() or frames(), the iteration raises IncompleteReadError, and the record has no last piece.
    """

    data: bytes
    last: bool
