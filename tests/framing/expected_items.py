"""The items of lines(), records() and frames() for a whole input, computed without a stream."""

import asyncio
import dataclasses
from typing import Any

END = "end of the iteration"


@dataclasses.dataclass
class Expected:
    """``items``: the items, then END or the class of the exception. ``after``: where the unread bytes begin after each.

    ``skipped`` and ``truncated``: the counts at the end.
    """

    items: list[Any] = dataclasses.field(default_factory=list)
    after: list[int] = dataclasses.field(default_factory=list)
    skipped: int = 0
    truncated: int = 0

    def add(self, item: Any, after: int) -> None:
        self.items.append(item)
        self.after.append(after)


def separated(data: bytes, separators: tuple[bytes, ...], limit: int, policy: str, keeps_rest: bool) -> Expected:
    expected = Expected()
    start = 0
    while start < len(data):
        ends = [(at + len(one), at) for one in separators if (at := data.find(one, start)) >= 0]
        end, stop = min(ends) if ends else (len(data), len(data))
        # The last bytes of the stream may begin a separator: they do not count for the length.
        long = (stop if ends else len(data) + 1 - max(map(len, separators))) - start > limit
        if long and policy == "raise":
            expected.add(asyncio.LimitOverrunError, start)
            return expected
        if long and policy == "chunks":
            start += limit
            expected.add((data[start - limit : start], False), start)
            continue
        if long and policy == "skip":
            expected.skipped += 1
        elif long:
            expected.truncated += 1
            expected.add(data[start : start + limit], end)
        if not ends and not keeps_rest:
            expected.add(asyncio.IncompleteReadError, end)
            return expected
        if not long:
            record = data[start:end]
            expected.add((record, True) if policy == "chunks" else record, end)
        start = end
    expected.add(END, len(data))
    return expected


def framed(data: bytes, prefix: int, byteorder: Any, limit: int, policy: str) -> Expected:
    expected = Expected()
    start = 0
    while start < len(data):
        length = int.from_bytes(data[start : start + prefix], byteorder)
        body, end = start + prefix, start + prefix + length
        long = len(data) >= body and length > limit
        if long and policy == "raise":
            expected.add(asyncio.LimitOverrunError, start)
            return expected
        if long and policy == "skip":
            expected.skipped += 1
        if long and policy == "chunks":
            while length and body + min(length, limit) <= len(data):
                piece = data[body : body + min(length, limit)]
                body += len(piece)
                length -= len(piece)
                expected.add((piece, not length), body)
        if long and policy == "truncate" and body + limit <= len(data):
            expected.truncated += 1
            expected.add(data[body : body + limit], end)
        if len(data) < max(end, body):
            expected.add(asyncio.IncompleteReadError, len(data))
            return expected
        if not long:
            expected.add((data[body:end], True) if policy == "chunks" else data[body:end], end)
        start = end
    expected.add(END, len(data))
    return expected
