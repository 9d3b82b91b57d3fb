"""R4, R9: a wrong argument of a Stream raises at the call, names value, stream and what is accepted, and does nothing.

The table has every parameter of every method. A good call works afterwards, with all bytes in place.
"""

import inspect
import io
import math
import tempfile
from typing import Any

import pytest

import sluiceway
from stream.streams import peer_stream
from support.scheduling import wait_until


class Index:
    """An object that is an index, but no int."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class Refusing:
    """An object whose bytes cannot be read. Before Python 3.12 it has none."""

    def __buffer__(self, flags: int) -> memoryview:
        raise BufferError("refused")


def released() -> memoryview:
    view = memoryview(bytearray(b"released"))
    view.release()
    return view


def closed_file() -> Any:
    with tempfile.TemporaryFile() as file:
        return file


def write_only_file() -> Any:
    return open("/dev/null", "wb")


UNREAD = b"\0\0\0\x01x\n" * 3
SIZES = (["5", 1.5, True, math.nan, -1, b"5", Index(-1)], "a number of bytes|at least [01]")
COUNTS = ([*SIZES[0], math.inf], SIZES[1])
SECONDS = (["5", True, 0, -1, math.nan, [1], 10**400], "number of seconds|greater than 0")
POLICIES = (["drop", None, True, ["raise"]], "one of 'raise', 'skip', 'truncate', 'chunks'")
SEPARATORS = (
    ["\n", None, 5, [b"\n"], (b"\n", "x"), b"", (), (b"\n", b""), released()],
    "must be bytes or a tuple of bytes|at least one byte|not be an empty tuple|cannot be read: .*released",
)
DATA = (["text", None, 5, object(), released(), Refusing()], "a bytes-like object|cannot be read: .*(released|refused)")
BUFFERS = (
    [b"read-only", "text", None, bytearray(), memoryview(bytearray(10))[::2], released(), Refusing()],
    "a writable and contiguous bytes-like object|must not be empty|cannot be written: .*(released|refused)",
)
PREFIXES = ([0, 3, "4", True, None, 4.0], "one of 1, 2, 4, 8")
ORDERS = (["BIG", None, 0], "one of 'big', 'little'")
POSITIONS = (["1", 1.5, True, -1, 1 << 63, Index(-1)], "an integer|from 0 to 9223372036854775807")
FILES = (
    [None, "path", 5, io.StringIO("text"), closed_file, write_only_file],
    "opened with mode 'rb'|in binary mode|is closed|is not readable",
)
VALID: dict[str, dict[str, Any]] = {
    "read_exactly": {"n": 1},
    "peek": {"n": 1},
    "skip": {"n": 1},
    "push_back": {"data": b"x"},
    "readinto": {"buffer": bytearray(5)},
    "read_exactly_into": {"buffer": bytearray(5)},
    "read_until": {"separator": b"\n"},
    "records": {"separator": b"\n"},
    "send": {"data": b"x"},
    "send_frame": {"data": b"x"},
    "sendfile": {"file": io.BytesIO(b"x")},
    "start_tls": {"context": None},
    "deadline": {"seconds": 1},
}
TABLE: dict[str, dict[str, tuple[list[Any], str]]] = {
    "read": {"max_bytes": SIZES},
    "read_exactly": {"n": COUNTS},
    "peek": {"n": COUNTS},
    "skip": {"n": COUNTS},
    "push_back": {"data": DATA},
    "read_all": {"max": SIZES},
    "readinto": {"buffer": BUFFERS},
    "read_exactly_into": {"buffer": BUFFERS},
    "read_until": {"separator": SEPARATORS, "max_length": SIZES},
    "read_line": {"max_length": SIZES},
    "lines": {"max_length": SIZES, "overlong": POLICIES},
    "records": {"separator": SEPARATORS, "max_length": SIZES, "overlong": POLICIES},
    "frames": {"max_size": SIZES, "overlong": POLICIES, "length_bytes": PREFIXES, "byteorder": ORDERS},
    "send": {"data": (DATA[0] + [{b"a": 1}, [b"a", "b"], [b"a", released()], lambda: iter([5])], DATA[1])},
    "send_frame": {"data": (DATA[0] + [[b"a"]], DATA[1]), "length_bytes": PREFIXES, "byteorder": ORDERS},
    "flush": {},
    "send_eof": {},
    "sendfile": {"file": FILES, "offset": (POSITIONS[0] + [None], POSITIONS[1]), "count": POSITIONS},
    "start_tls": {
        "context": ([True, None, "context"], "an ssl.SSLContext"),
        "server_hostname": ([5, b"name"], "a str or None"),
        "server_side": (["no", 1], "a bool or None"),
        "strict_eof": ([None, 1], "a bool"),
    },
    "aclose": {"linger": SECONDS},
    "deadline": {
        "seconds": (SECONDS[0] + [None], SECONDS[1]),
        "min_rate": (["5", True, 0, -1, math.nan, math.inf, 10**400], "bytes per second|greater than 0 and finite"),
    },
    "abort": {},
    "is_closing": {},
}


def test_table_has_every_parameter_of_every_method() -> None:
    parameters = {
        name: set(inspect.signature(method).parameters) - {"self"}
        for name, method in inspect.getmembers(sluiceway.Stream, inspect.isroutine)
        if not name.startswith("_") and name != "from_pair"
    }
    assert {name: set(rows) | parameters[name] & {"timeout"} for name, rows in TABLE.items()} == parameters


def shown(value: Any) -> str:
    """Return what a message contains of a wrong value: itself, or what is wrong with it."""
    if isinstance(value, Index):
        return "-1"
    return "" if isinstance(value, int) and value > 1 << 63 else repr(value)


@pytest.mark.parametrize("name", [name for name in TABLE if name not in {"abort", "is_closing"}])
async def test_wrong_argument_is_named_with_stream_and_accepted_values(raw_peers: Any, tls: Any, name: str) -> None:
    method = getattr(sluiceway.Stream, name)
    rows = dict(TABLE[name])
    if "timeout" in inspect.signature(method).parameters:
        rows["timeout"] = SECONDS
    valid = {**VALID.get(name, {}), **({"context": tls.client_context} if name == "start_tls" else {})}
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(UNREAD)
        await wait_until(lambda: stream.stats.unread_bytes == len(UNREAD))
        for parameter, (values, accepted) in rows.items():
            for entry in values:
                value = entry() if inspect.isfunction(entry) else entry
                with pytest.raises((TypeError, ValueError, BufferError), match=accepted) as raised:
                    result = getattr(stream, name)(**{**valid, parameter: value})
                    if inspect.isawaitable(result):
                        await result
                message = str(raised.value)
                assert message.startswith(f"{name}(): {parameter if parameter != 'data' else ''}")
                assert f"-> 127.0.0.1:{stream.peer[1]}" in message
                assert "\n" not in message
                if parameter not in {"data", "buffer", "separator"}:
                    assert shown(value) in message
                if hasattr(value, "close"):
                    value.close()
        assert await stream.read(100) == UNREAD
        await stream.send(b"on")
        assert peer.receive(2) == b"on"


async def test_wrong_idle_timeout_is_named_with_stream_and_accepted_values(raw_peers: Any) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        stream.idle_timeout = 5
        for value in SECONDS[0]:
            for call in ("idle_timeout", "from_pair(): idle_timeout"):
                with pytest.raises((TypeError, ValueError), match=SECONDS[1]) as raised:
                    if call == "idle_timeout":
                        stream.idle_timeout = value
                    else:
                        sluiceway.Stream.from_pair(stream.reader, stream.writer, idle_timeout=value)
                assert str(raised.value).startswith(call)
                assert shown(value) in str(raised.value)
        assert stream.idle_timeout == 5


@pytest.mark.parametrize("opening", [sluiceway.pair, sluiceway.stdio])
def test_wrong_limit_is_named_with_function(opening: Any) -> None:
    for value in ("5", True, 1.5, 0, -1):
        with pytest.raises((TypeError, ValueError), match=rf"{opening.__name__}\(\): .*{value!r}"):
            opening(limit=value)


async def test_infinite_size_and_index_are_accepted(raw_peers: Any) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(b"one\ntwo\nrest")
        size: Any = Index(4)
        assert await stream.read_exactly(size) == b"one\n"
        assert await stream.read_line(max_length=math.inf) == b"two\n"
        assert await stream.sendfile(io.BytesIO(b"012345"), Index(1), Index(3)) == 3  # type: ignore[arg-type]
        assert peer.receive(3) == b"123"
