"""Records, the type that lines(), records() and frames() return, and Policy, the type of ``overlong``."""

from __future__ import annotations

from typing import Literal, Protocol, Self, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)

Policy: TypeAlias = Literal["raise", "skip", "truncate", "chunks"]
"""What happens to a record that is longer than its limit."""


class Records(Protocol[T_co]):
    """What lines(), records() and frames() return: an asynchronous iterator that keeps no bytes between two items.

    So a program can leave the iteration at any item, and read the next bytes in another way. If the wait for an item is
    cancelled, the item stays in the stream, and the iteration can be continued. Three policies differ:

    - ``overlong="skip"`` and ``"truncate"``: once a part of an overlong record was dropped, the reader drops the rest
      as it arrives, also after a cancellation and when the iteration was left.
    - ``overlong="chunks"``: between two pieces of a record, the next bytes of the stream are the rest of the record.
      Finish the record before reading in another way. The iterator of frames() counts only the bytes that it returns
      itself. If another read takes bytes of the record, the iterator returns as many of the bytes after it.

    Only one task can wait for an item. While it waits, ``async for`` and ``anext(records)`` of another task raise
    RuntimeError.
    """

    @property
    def skipped(self) -> int:
        """How many records the policy ``"skip"`` has dropped."""
        ...

    @property
    def truncated(self) -> int:
        """How many records the policy ``"truncate"`` has cut."""
        ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> T_co: ...
