"""Piece: what lines(), records() and frames() return with ``overlong="chunks"``."""

from __future__ import annotations

from typing import NamedTuple


class Piece(NamedTuple):
    """An item of lines(), records() or frames() with ``overlong="chunks"``: a record, or a part of one.

    A record that is longer than ``max_length`` or ``max_size`` is several pieces. Any other record is one piece.

    Attributes:
        data (bytes): at most ``max_length`` or ``max_size`` bytes. The last piece also has the separator of lines() and
            records(), unless the stream has ended without one.
        last (bool): True for the last piece of a record, also if it is the only one.
    """

    data: bytes
    last: bool
