"""Read the head of an HTTP response from a stream: the status line and the header lines, no further.

Every way in which a peer can disappoint has its own exception; what was read before it stays with the caller.
"""

from __future__ import annotations

import re

import sluiceway

# Bytes of one line. Servers refuse request lines well below this; a longer answer is no header but an accident.
LINE_LIMIT = 64 * 1024
# Bytes of all lines together, so that a peer that never sends the empty line cannot fill the memory.
HEAD_LIMIT = 256 * 1024

_STATUS_LINE = re.compile(rb"HTTP/\d(\.\d)? \d{3}( .*)?\r?\n", re.DOTALL)
# A TLS record of the type "alert" begins so: what a TLS server answers to a plain request.
_TLS_ALERT = b"\x15\x03"
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class NotHTTPError(Exception):
    """The answer does not begin with an HTTP status line.

    Attributes:
        beginning: the first bytes that came instead, at most 64.
        is_tls: whether they look like TLS.
    """

    def __init__(self, beginning: bytes) -> None:
        super().__init__(beginning)
        self.beginning: bytes = beginning[:64]
        self.is_tls: bool = beginning.startswith(_TLS_ALERT)


class ClosedEarlyError(Exception):
    """The peer ended the connection before the empty line that ends the head.

    Attributes:
        where: how far it had come, as in "within the headers".
        reset: whether the connection was reset instead of ended.
    """

    def __init__(self, where: str, *, reset: bool = False) -> None:
        super().__init__(where)
        self.where = where
        self.reset = reset


class HeadTooLongError(Exception):
    """A line of more than LINE_LIMIT bytes, or more than HEAD_LIMIT bytes in all.

    Attributes:
        limit: the limit passed, in bytes.
        what: "a line" or "the head".
    """

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(what, limit)
        self.what = what
        self.limit = limit


async def read_head(reader: sluiceway.StreamReader, lines: list[str]) -> None:
    """Append every line of the response's head to ``lines``, as text, without its end of line.

    The stream must have been opened with the limit LINE_LIMIT. When the call raises or is cancelled, ``lines``
    holds what was read until then. Control characters, which no valid header contains, come as ``\\xNN``, so that
    a peer cannot write to the user's terminal.

    Raises:
        NotHTTPError: the first line is no status line.
        ClosedEarlyError: end of input, or a reset, before the empty line.
        HeadTooLongError: a line or the whole head passes its limit.
        OSError: the connection was lost in another way.
    """
    total = 0
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except sluiceway.IncompleteReadError as error:
            if total:
                raise ClosedEarlyError("within the headers") from None
            if not error.partial:
                raise ClosedEarlyError("before the first byte") from None
            if not b"HTTP/".startswith(error.partial[:5]):
                raise NotHTTPError(error.partial) from None
            raise ClosedEarlyError("within the status line") from None
        except ConnectionError:
            raise ClosedEarlyError("within the headers" if total else "before its status line", reset=True) from None
        except sluiceway.LimitOverrunError:
            if not total:
                beginning = await reader.readexactly(5)
                if beginning != b"HTTP/":
                    raise NotHTTPError(beginning + await reader.read(59)) from None
            raise HeadTooLongError("a line", LINE_LIMIT) from None
        if not total and not _STATUS_LINE.fullmatch(line):
            raise NotHTTPError(line)
        total += len(line)
        if total > HEAD_LIMIT:
            raise HeadTooLongError("the head", HEAD_LIMIT)
        text = line.decode("latin1").rstrip()
        if not text:
            return
        lines.append(_UNPRINTABLE.sub(_escaped, text))


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match.group()):02x}"
