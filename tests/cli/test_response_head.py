"""The head of an HTTP response: split in any way, followed by data, truncated, too long, or not HTTP."""

import pytest

import sluiceway
from sluiceway.cli.response import HEAD_LIMIT, LINE_LIMIT, ClosedEarlyError, HeadTooLongError, NotHTTPError, read_head

pytestmark = pytest.mark.loops("asyncio")

HEAD = b"HTTP/1.1 200 OK\r\nServer: a  \r\nX-Latin: caf\xe9\r\nBare: newline\n\r\n"
LINES = ["HTTP/1.1 200 OK", "Server: a", "X-Latin: caf\u00e9", "Bare: newline"]


def fed_reader(*chunks, end=True):
    reader = sluiceway.StreamReader(limit=LINE_LIMIT)
    for chunk in chunks:
        reader.feed_data(chunk)
    if end:
        reader.feed_eof()
    return reader


async def read_lines(reader):
    lines = []
    await read_head(reader, lines)
    return lines


async def test_head_in_one_chunk_gives_its_lines():
    assert await read_lines(fed_reader(HEAD)) == LINES


async def test_head_byte_by_byte_gives_its_lines():
    assert await read_lines(fed_reader(*(HEAD[i : i + 1] for i in range(len(HEAD))))) == LINES


async def test_data_after_head_stays_in_reader():
    reader = fed_reader(HEAD + b"body")
    assert await read_lines(reader) == LINES
    assert await reader.read() == b"body"


async def test_head_without_eof_gives_its_lines():
    assert await read_lines(fed_reader(HEAD, end=False)) == LINES


@pytest.mark.parametrize("status", [b"HTTP/1.0 404 Not Found", b"HTTP/2 200", b"HTTP/1.1 200 ", b"HTTP/1.1 200"])
async def test_status_line_of_any_version_is_accepted(status):
    assert await read_lines(fed_reader(status + b"\r\n\r\n")) == [status.decode().rstrip()]


async def test_heads_of_interim_responses_are_read_before_that_of_the_response():
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    reader = fed_reader(interim + HEAD + b"body")
    assert await read_lines(reader) == ["HTTP/1.1 100 Continue", "HTTP/1.1 103 Early Hints", "Link: </a.css>", *LINES]
    assert await reader.read() == b"body"


async def test_switch_of_the_protocol_is_not_an_interim_response():
    reader = fed_reader(b"HTTP/1.1 101 Switching Protocols\r\n\r\nframes")
    assert await read_lines(reader) == ["HTTP/1.1 101 Switching Protocols"]
    assert await reader.read() == b"frames"


async def test_missing_response_after_an_interim_response_raises():
    with pytest.raises(ClosedEarlyError):
        await read_lines(fed_reader(b"HTTP/1.1 100 Continue\r\n\r\n"))
    with pytest.raises(NotHTTPError):
        await read_lines(fed_reader(b"HTTP/1.1 100 Continue\r\n\r\nabc\r\n"))


async def test_control_characters_are_escaped():
    lines = await read_lines(fed_reader(b"HTTP/1.1 200 OK\r\nX: \x1b[2J\x9b\ta\x7f\r\n\r\n"))
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
async def test_data_that_is_not_http_raises_with_its_beginning(data):
    with pytest.raises(NotHTTPError) as raised:
        await read_lines(fed_reader(data))
    assert raised.value.beginning == data[:64]
    assert not raised.value.is_tls


async def test_tls_alert_is_recognised():
    with pytest.raises(NotHTTPError) as raised:
        await read_lines(fed_reader(b"\x15\x03\x01\x00\x02\x02\x46"))
    assert raised.value.is_tls


@pytest.mark.parametrize("cut", range(len(HEAD) - 1))
async def test_eof_at_each_byte_raises_with_position(cut):
    lines = []
    with pytest.raises(ClosedEarlyError) as raised:
        await read_head(fed_reader(HEAD[:cut]), lines)
    if cut == 0:
        assert raised.value.where == "before the status line"
    elif cut < HEAD.index(b"\n") + 1:
        assert raised.value.where == "within the status line"
    else:
        assert raised.value.where == "within the headers"
    assert lines == LINES[: HEAD[:cut].count(b"\n")]


async def test_line_of_maximum_length_is_accepted():
    line = b"X: " + b"y" * (LINE_LIMIT - 4)
    assert len(await read_lines(fed_reader(b"HTTP/1.1 200 OK\n" + line + b"\n\n"))) == 2


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\n"])
async def test_overlong_line_raises(beginning):
    with pytest.raises(HeadTooLongError) as raised:
        await read_lines(fed_reader(beginning, b"HTTP/1.1 200 " + b"y" * LINE_LIMIT))
    assert (raised.value.what, raised.value.limit) == ("a line", LINE_LIMIT)


async def test_overlong_head_raises():
    line = b"X: y\r\n"
    with pytest.raises(HeadTooLongError) as raised:
        await read_lines(fed_reader(b"HTTP/1.1 200 OK\r\n", line * (HEAD_LIMIT // len(line) + 1)))
    assert (raised.value.what, raised.value.limit) == ("the head", HEAD_LIMIT)
