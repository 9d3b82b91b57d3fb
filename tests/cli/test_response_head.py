"""The head of a response: whole, byte by byte, with data after it, and everything that is none."""

import pytest

import sluiceway
from sluiceway.cli.response import HEAD_LIMIT, LINE_LIMIT, ClosedEarlyError, HeadTooLongError, NotHTTPError, read_head

pytestmark = pytest.mark.loops("asyncio")

HEAD = b"HTTP/1.1 200 OK\r\nServer: a  \r\nX-Latin: caf\xe9\r\nBare: newline\n\r\n"
LINES = ["HTTP/1.1 200 OK", "Server: a", "X-Latin: caf\u00e9", "Bare: newline"]


def reader_of(*chunks, end=True):
    reader = sluiceway.StreamReader(limit=LINE_LIMIT)
    for chunk in chunks:
        reader.feed_data(chunk)
    if end:
        reader.feed_eof()
    return reader


async def head_of(reader):
    lines = []
    await read_head(reader, lines)
    return lines


async def test_whole():
    assert await head_of(reader_of(HEAD)) == LINES


async def test_byte_by_byte():
    assert await head_of(reader_of(*(HEAD[i : i + 1] for i in range(len(HEAD))))) == LINES


async def test_what_follows_stays_in_the_stream():
    reader = reader_of(HEAD + b"body")
    assert await head_of(reader) == LINES
    assert await reader.read() == b"body"


async def test_the_end_of_input_is_not_needed():
    assert await head_of(reader_of(HEAD, end=False)) == LINES


@pytest.mark.parametrize("status", [b"HTTP/1.0 404 Not Found", b"HTTP/2 200", b"HTTP/1.1 200 ", b"HTTP/1.1 200"])
async def test_status_lines(status):
    assert await head_of(reader_of(status + b"\r\n\r\n")) == [status.decode().rstrip()]


async def test_control_characters_cannot_reach_the_terminal():
    lines = await head_of(reader_of(b"HTTP/1.1 200 OK\r\nX: \x1b[2J\x9b\ta\x7f\r\n\r\n"))
    assert lines[1] == "X: \\x1b[2J\\x9b\ta\\x7f"


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"+OK\r\n",
        b"\r\n",
        b"HTTP/1.1\r\n",
        b"HTTP/1.1 abc\r\n",
        b"HTTP/1.1 2000\r\n",
        b"xHTTP/1.1 200 OK\r\n",
        b"hello",
        b"y" * (LINE_LIMIT + 1),
    ],
)
async def test_not_http(data):
    with pytest.raises(NotHTTPError) as caught:
        await head_of(reader_of(data))
    assert caught.value.beginning == data[:64]
    assert not caught.value.is_tls


async def test_a_tls_alert_is_recognised():
    with pytest.raises(NotHTTPError) as caught:
        await head_of(reader_of(b"\x15\x03\x01\x00\x02\x02\x46"))
    assert caught.value.is_tls


@pytest.mark.parametrize("cut", range(len(HEAD) - 1))
async def test_closed_early_at_every_byte(cut):
    lines = []
    with pytest.raises(ClosedEarlyError) as caught:
        await read_head(reader_of(HEAD[:cut]), lines)
    if cut == 0:
        assert caught.value.where == "before the first byte"
    elif cut < HEAD.index(b"\n") + 1:
        assert caught.value.where == "within the status line"
    else:
        assert caught.value.where == "within the headers"
    assert lines == LINES[: HEAD[:cut].count(b"\n")]


async def test_the_longest_line():
    line = b"X: " + b"y" * (LINE_LIMIT - 4)
    assert len(await head_of(reader_of(b"HTTP/1.1 200 OK\n" + line + b"\n\n"))) == 2


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\n"])
async def test_a_line_too_long(begin):
    with pytest.raises(HeadTooLongError) as caught:
        await head_of(reader_of(begin, b"HTTP/1.1 200 " + b"y" * LINE_LIMIT))
    assert (caught.value.what, caught.value.limit) == ("a line", LINE_LIMIT)


async def test_a_head_too_long():
    line = b"X: y\r\n"
    with pytest.raises(HeadTooLongError) as caught:
        await head_of(reader_of(b"HTTP/1.1 200 OK\r\n", line * (HEAD_LIMIT // len(line) + 1)))
    assert (caught.value.what, caught.value.limit) == ("the head", HEAD_LIMIT)
