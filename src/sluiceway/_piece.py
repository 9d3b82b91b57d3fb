"""Piece: what lines(), records() and frames() return with ``overlong="chunks"``."""

from __future__ import annotations

from typing import NamedTuple


class Piece(NamedTuple):
    """An item of lines(), records() or frames() with ``overlong="chunks"``: a record, or a part of one.

    A record that is longer than ``max_length`` or ``max_size`` is several pieces. Any other record is one piece.

    Attributes:
        data (bytes): the bytes.
        last (bool): True for the last piece of a record, also if it is the only one.
    """

    data: bytes
    last: bool
