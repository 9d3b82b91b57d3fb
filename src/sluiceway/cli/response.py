"""Read the head of an HTTP response from a stream: the status line and the header lines."""

from __future__ import annotations

import re

import sluiceway

# Bytes of one line. HTTP servers use much lower limits for request lines.
LINE_LIMIT = 64 * 1024
# Bytes of all lines together. It bounds the memory if a peer never sends the empty line.
HEAD_LIMIT = 256 * 1024

_STATUS_LINE = re.compile(rb"HTTP/\d(\.\d)? \d{3}( .*)?\r?\n", re.DOTALL)
# Before the response, a server may send interim responses without a request for them (RFC 9110, section 15.2), such as
# 103 (Early Hints). After 101 (Switching Protocols), the data is not HTTP.
_INTERIM_RESPONSE = re.compile(rb"HTTP/\d(\.\d)? 1(?!01)")
# The first bytes of a TLS alert record, with which a TLS server responds to a plaintext request.
_TLS_ALERT = b"\x15\x03"
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class NotHTTPError(Exception):
    """Raised if the response does not start with an HTTP status line.

    Attributes:
        beginning: the first bytes of the response, at most 64.
        is_tls: True if the bytes are the beginning of a TLS alert.
    """

    def __init__(self, beginning: bytes) -> None:
        super().__init__(beginning)
        self.beginning: bytes = beginning[:64]
        self.is_tls: bool = beginning.startswith(_TLS_ALERT)


class ClosedEarlyError(Exception):
    """Raised if the peer closed or reset the connection before the empty line that ends the head.

    Attributes:
        where: "before the status line", "within the status line" or "within the headers". A reset within the status
            line counts as "before the status line".
        reset: True if the connection was reset, False if it was closed.
    """

    def __init__(self, where: str, *, reset: bool = False) -> None:
        super().__init__(where)
        self.where = where
        self.reset = reset


class HeadTooLongError(Exception):
    """Raised if a line has more than LINE_LIMIT bytes before its end, or the whole head more than HEAD_LIMIT bytes.

    Attributes:
        limit: the limit that was exceeded, in bytes.
        what: "a line" or "the head".
    """

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(what, limit)
        self.what = what
        self.limit = limit


async def read_head(reader: sluiceway.StreamReader, lines: list[str]) -> None:
    """Read the head of a response up to its empty line. Append each line to ``lines``, as text.

    The heads of interim responses, such as 103 (Early Hints), are read first, and their lines are appended as well.

    ``reader`` must have the limit LINE_LIMIT. If the call raises or is cancelled, ``lines`` contains the lines that
    were read before. Line ends and other space at the end of a line are removed. Control characters other than the tab
    are replaced with ``\\xNN``, because they could change the state of the user's terminal.

    Raises:
        NotHTTPError: the first line is not a status line.
        ClosedEarlyError: the peer closed or reset the connection before the empty line that ends the head.
        HeadTooLongError: a line or the whole head exceeds its limit, LINE_LIMIT or HEAD_LIMIT.
        OSError: the connection was lost for a reason other than a reset.
    """
    total = 0
    status_line = True
    interim = False
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except sluiceway.IncompleteReadError as error:
            if total:
                raise ClosedEarlyError("within the headers") from None
            if not error.partial:
                raise ClosedEarlyError("before the status line") from None
            if not b"HTTP/".startswith(error.partial[:5]):
                raise NotHTTPError(error.partial) from None
            raise ClosedEarlyError("within the status line") from None
        except ConnectionError:
            raise ClosedEarlyError("within the headers" if total else "before the status line", reset=True) from None
        except sluiceway.LimitOverrunError:
            if not total:
                beginning = await reader.readexactly(5)
                if beginning != b"HTTP/":
                    raise NotHTTPError(beginning + await reader.read(59)) from None
            raise HeadTooLongError("a line", LINE_LIMIT) from None
        if status_line:
            if not _STATUS_LINE.fullmatch(line):
                raise NotHTTPError(line)
            interim = _INTERIM_RESPONSE.match(line) is not None
            status_line = False
        total += len(line)
        if total > HEAD_LIMIT:
            raise HeadTooLongError("the head", HEAD_LIMIT)
        text = line.decode("latin1").rstrip()
        if not text:
            if not interim:
                return
            status_line = True
            continue
        lines.append(_UNPRINTABLE.sub(_escaped, text))


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match.group()):02x}"
