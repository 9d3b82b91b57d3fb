"""stream_handler(): a handler of start_server that gets a Stream."""

import contextlib
from typing import Any

import pytest

import sluiceway
from support.connections import server_address
from support.manual_clock import manual_clock
from support.scheduling import run_iterations, wait_until


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


async def test_plain_function_is_reported_by_name(loop_errors: list[dict[str, Any]]) -> None:
    def plain(stream: sluiceway.Stream) -> None:
        pass

    handle: Any = plain
    async with await sluiceway.start_server(sluiceway.stream_handler(handle), "127.0.0.1", 0) as server:
        host, port = server_address(server)
        async with sluiceway.connect(f"{host}:{port}") as stream:
            assert await stream.read(1) == b""
    (context,) = loop_errors
    assert "plain at" in str(context["exception"])
    assert str(context["exception"]).endswith("must be an 'async def' function; it returned None")
    loop_errors.clear()


async def test_asynchronous_generator_is_reported_by_name(loop_errors: list[dict[str, Any]]) -> None:
    async def generator(stream: sluiceway.Stream) -> Any:
        yield await stream.read_line()

    handle: Any = generator
    async with await sluiceway.start_server(sluiceway.stream_handler(handle), "127.0.0.1", 0) as server:
        host, port = server_address(server)
        async with sluiceway.connect(f"{host}:{port}") as stream:
            assert await stream.read(1) == b""
    (context,) = loop_errors
    assert "generator at" in str(context["exception"])
    assert "must be an 'async def' function without 'yield'; it returned <async_generator" in str(context["exception"])
    loop_errors.clear()


@pytest.mark.parametrize("close", ["aclose", "abort"])
async def test_handler_that_ends_because_another_task_closes_its_stream_is_not_reported(
    loop_errors: list[dict[str, Any]], close: str
) -> None:
    """X2: the iteration raises ConnectionError, which is not an error of the handler."""
    handled: list[sluiceway.Stream] = []
    ended: list[Exception] = []

    async def count(stream: sluiceway.Stream) -> None:
        handled.append(stream)
        try:
            async for _ in stream.lines():
                pass
        except ConnectionError as error:
            ended.append(error)
            raise

    async with await sluiceway.start_server(sluiceway.stream_handler(count), "127.0.0.1", 0) as server:
        host, port = server_address(server)
        async with sluiceway.connect(f"{host}:{port}") as stream:
            await wait_until(lambda: handled)
            await run_iterations()
            if close == "aclose":
                await handled[0].aclose()
            else:
                handled[0].abort()
            await wait_until(lambda: ended)
            assert "is closed; read before aclose()" in str(ended[0])
            await stream.aclose()
    assert loop_errors == []


async def test_idle_timeout_of_handler_applies_to_each_connection() -> None:
    """D2: ``idle_timeout=`` of a server."""
    handled: list[sluiceway.Stream] = []

    async def wait(stream: sluiceway.Stream) -> None:
        handled.append(stream)
        await stream.read()

    handler = sluiceway.stream_handler(wait, idle_timeout=60)
    with manual_clock() as clock:
        async with await sluiceway.start_server(handler, "127.0.0.1", 0) as server:
            host, port = server_address(server)
            async with sluiceway.connect(f"{host}:{port}") as stream:
                await wait_until(lambda: handled)
                assert handled[0].idle_timeout == 60
                clock.advance(59)
                await run_iterations()
                assert not handled[0].is_closing()
                clock.advance(30)
                with contextlib.suppress(ConnectionError):
                    await stream.read()
            assert (await handled[0].aclose()).reason == "idle timeout"


@pytest.mark.parametrize("seconds", [0, -1, "5"])
def test_invalid_idle_timeout_of_handler_raises_at_the_call(seconds: Any) -> None:
    async def wait(stream: sluiceway.Stream) -> None: ...

    with pytest.raises((ValueError, TypeError), match="idle_timeout"):
        sluiceway.stream_handler(wait, idle_timeout=seconds)


def test_handler_keeps_name_of_function() -> None:
    async def echo(stream: sluiceway.Stream) -> None:
        """Send back what arrives."""

    handler = sluiceway.stream_handler(echo)
    assert (handler.__name__, handler.__doc__) == ("echo", "Send back what arrives.")


def test_handler_that_is_not_callable_raises_type_error() -> None:
    with pytest.raises(TypeError, match="handle must be a callable that returns an awaitable, not 'int'"):
        sluiceway.stream_handler(5)  # type: ignore[arg-type]
