"""stream_handler(): a handler of start_server that gets a Stream."""

from typing import Any

import pytest

import sluiceway
from support.connections import server_address


async def test_handler_gets_stream_that_is_closed_when_it_returns() -> None:
    async def shout(stream: sluiceway.Stream) -> None:
        await stream.send((await stream.read_line()).upper())

    async with await sluiceway.start_server(sluiceway.stream_handler(shout), "127.0.0.1", 0) as server:
        host, port = server_address(server)
        async with sluiceway.connect(f"{host}:{port}") as stream:
            await stream.send(b"a line\n")
            assert await stream.read_line() == b"A LINE\n"
            assert await stream.read(1) == b""


async def test_exception_of_handler_is_reported_once_and_closes_stream(loop_errors: list[dict[str, Any]]) -> None:
    @sluiceway.stream_handler
    async def fail(stream: sluiceway.Stream) -> None:
        raise LookupError("a bug of the program")

    async with await sluiceway.start_server(fail, "127.0.0.1", 0) as server:
        host, port = server_address(server)
        async with sluiceway.connect(f"{host}:{port}") as stream:
            assert await stream.read(1) == b""
    (context,) = loop_errors
    assert isinstance(context["exception"], LookupError)
    loop_errors.clear()


def test_handler_keeps_name_of_function() -> None:
    async def echo(stream: sluiceway.Stream) -> None:
        """Send back what arrives."""

    handler = sluiceway.stream_handler(echo)
    assert (handler.__name__, handler.__doc__) == ("echo", "Send back what arrives.")


def test_handler_that_is_not_callable_raises_type_error() -> None:
    with pytest.raises(TypeError, match="handle must be a coroutine function, not 'int'"):
        sluiceway.stream_handler(5)  # type: ignore[arg-type]
