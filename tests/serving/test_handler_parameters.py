"""S2: a handler whose parameters do not fit the call. The error that is reported names what the server passes."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from serving.failing_handlers import assert_connection_closed, pop_handler_error, running_server
from support.connections import server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations

PAIR_NOTE = (
    "client_connected_cb is called with two arguments, reader and writer; wrap a handler with one parameter, a Stream, "
    "in sluiceway.stream_handler(); for a method, pass stream_handler(self.method) in place of a decorator"
)
STREAM_NOTE = (
    "stream_handler() calls the handler with one argument, a Stream; pass a handler with two parameters, reader and "
    "writer, to start_server() without stream_handler()"
)


async def of_one(stream: Any) -> None:
    raise AssertionError("called")


async def of_two(reader: Any, writer: Any) -> None:
    raise AssertionError("called")


def plain_of_one(stream: Any) -> None:
    raise AssertionError("called")


def plain_of_two(reader: Any, writer: Any) -> None:
    raise AssertionError("called")


async def of_three(first: Any, second: Any, third: Any) -> None:
    raise AssertionError("called")


class OfOne:
    def __init__(self, stream: Any) -> None:
        raise AssertionError("called")

    async def method_without_self(stream: Any) -> None:  # noqa: N805 - the mistake under test
        raise AssertionError("called")

    async def method(self, stream: Any) -> None:
        raise AssertionError("called")

    decorated_method = sluiceway.stream_handler(method)  # type: ignore[arg-type]


async def of_none() -> None:
    raise AssertionError("called")


UNFIT: dict[str, Callable[..., Any]] = {
    "coroutine function": of_one,
    "plain function": plain_of_one,
    "three parameters": of_three,
    "no parameter": of_none,
    "class": OfOne,
    "bound method": OfOne.__new__(OfOne).method,
    "decorated method": OfOne.__new__(OfOne).decorated_method,
    "partial": functools.partial(of_three, 1, 2),
    "stream_handler itself": sluiceway.stream_handler,
}
UNFIT_FOR_STREAM: dict[str, Callable[..., Any]] = {
    "coroutine function": of_two,
    "plain function": plain_of_two,
    "no parameter": of_none,
    "bound method": OfOne.__new__(OfOne).method_without_self,
    "partial": functools.partial(of_three, 1),
}


async def reported(handler: Callable[..., Any], raw_peers: RawPeers, loop_errors: list[dict[str, Any]]) -> Any:
    """Return the TypeError that a server with ``handler`` reports for a connection."""
    async with running_server(handler) as server:
        await assert_connection_closed(raw_peers.connect(server_address(server)))
        await run_iterations(10)
        return pop_handler_error(loop_errors, TypeError)["exception"]


@pytest.mark.parametrize("kind", UNFIT)
async def test_error_of_unfit_handler_names_reader_and_writer(
    kind: str, raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    error = await reported(UNFIT[kind], raw_peers, loop_errors)
    assert error.__notes__ == [PAIR_NOTE]


@pytest.mark.parametrize("kind", UNFIT_FOR_STREAM)
async def test_error_of_unfit_stream_handler_names_stream(
    kind: str, raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    error = await reported(sluiceway.stream_handler(UNFIT_FOR_STREAM[kind]), raw_peers, loop_errors)
    assert error.__notes__ == [STREAM_NOTE]


async def test_error_of_unfit_unix_handler_names_reader_and_writer(
    unix_path: str, raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    async with await sluiceway.start_unix_server(of_one, unix_path):  # type: ignore[arg-type]
        await assert_connection_closed(raw_peers.connect(unix_path))
        await run_iterations(10)
        assert pop_handler_error(loop_errors, TypeError)["exception"].__notes__ == [PAIR_NOTE]


def plain_with_own_error(*arguments: Any) -> None:
    of_three()  # type: ignore[call-arg]


async def with_own_error(*arguments: Any) -> None:
    await of_three()  # type: ignore[call-arg]


@pytest.mark.parametrize("handler", [plain_with_own_error, with_own_error])
@pytest.mark.parametrize("api", ["pair", "stream"])
async def test_type_error_within_handler_has_no_note(
    api: str, handler: Callable[..., Any], raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    passed = handler if api == "pair" else sluiceway.stream_handler(handler)
    error = await reported(passed, raw_peers, loop_errors)
    assert not hasattr(error, "__notes__")
