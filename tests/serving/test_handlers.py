"""X4: handlers are owned by their server; what they raise is told once, and ends their connection alone."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import penstock
from support import loops
from support.connections import address_of
from support.peer import Peers

MESSAGE = "Unhandled exception in client_connected_cb"


class Misfit(BaseException):
    """No Exception, and not one of the two that end a program."""


@contextlib.asynccontextmanager
async def serving(handle: Callable[..., Any]) -> AsyncIterator[Any]:
    async with await penstock.start_server(handle, "127.0.0.1", 0) as server:
        yield server


async def ended(wire: Any) -> None:
    """The server has closed this connection."""
    with contextlib.suppress(ConnectionResetError):
        assert await wire.in_thread(wire.receive_rest) == b""


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def only_report(loop_errors: list[dict[str, Any]], kind: type[BaseException]) -> dict[str, Any]:
    """Check that the loop's exception handler was told once, of a handler's error, and forget it."""
    (context,) = loop_errors
    loop_errors.clear()
    assert context["message"] == MESSAGE
    assert isinstance(context["exception"], kind)
    return context


# -- ownership ------------------------------------------------------------------------------------------------------


async def test_running_handlers_are_listed_and_named_for_their_peer(peer: Peers) -> None:
    over = asyncio.Event()
    begun = asyncio.Queue[Any]()

    async def handle(reader: Any, writer: Any) -> None:
        begun.put_nowait(asyncio.current_task())
        await over.wait()
        writer.close()

    async with serving(handle) as server:
        assert server.handlers == frozenset()
        wires = [peer.connect(address_of(server)) for _ in range(3)]
        tasks = {await begun.get() for _ in wires}
        await settle()
        assert server.handlers == tasks
        names = {task.get_name() for task in tasks}
        for wire in wires:
            host, port = wire.sock.getsockname()
            assert any(f"{host}:{port}" in name for name in names)
        over.set()
        await asyncio.wait(tasks)
        await settle()
        assert server.handlers == frozenset()


async def test_the_list_of_handlers_cannot_be_changed(peer: Peers) -> None:
    async with serving(lambda reader, writer: writer.close()) as server:
        assert isinstance(server.handlers, frozenset)
        with pytest.raises(AttributeError):
            server.handlers = set()


async def test_a_handler_that_nobody_refers_to_is_not_collected(peer: Peers) -> None:
    """The task waits for a future that only itself refers to: all that keeps it is the server."""
    finished: list[str] = []
    waits_for: list[Any] = []

    async def handle(reader: Any, writer: Any) -> None:
        import weakref

        future = asyncio.get_running_loop().create_future()
        waits_for.append(weakref.ref(future))
        try:
            finished.append(await future)
        finally:
            writer.close()

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        while not waits_for:
            await asyncio.sleep(0)
        await settle()
        for _ in range(3):
            gc.collect()
        future = waits_for[0]()
        assert future is not None
        future.set_result("alive")
        del future
        await ended(wire)
    assert finished == ["alive"]


async def test_a_handler_outlives_its_connection_and_stays_listed(peer: Peers) -> None:
    over = asyncio.Event()
    gone = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()
        await over.wait()

    async with serving(handle) as server:
        peer.connect(address_of(server)).close()
        await gone.wait()
        await settle()
        assert len(server.handlers) == 1
        server.close()
        await server.wait_closed()
        assert len(server.handlers) == 1
        over.set()
        await settle()
        assert len(server.handlers) == 0


async def test_an_awaitable_of_the_callers_is_listed_too(peer: Peers) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    held: list[Any] = []

    def handle(reader: Any, writer: Any) -> Any:
        held.append(writer)
        return future

    async with serving(handle) as server:
        peer.connect(address_of(server))
        while not held:
            await asyncio.sleep(0)
        assert server.handlers == {future}
        future.set_result(None)
        await settle()
        assert server.handlers == frozenset()
        held.pop().close()


# -- errors ---------------------------------------------------------------------------------------------------------


def raising(error: Callable[[], BaseException]) -> dict[str, Callable[..., Any]]:
    """Handlers of every kind that fail with a new error of this kind."""
    # Somebody has to hold the writer while the error is on its way, or the connection counts as forgotten.
    held: list[Any] = []

    async def coroutine(reader: Any, writer: Any) -> None:
        raise error()

    async def after_a_while(reader: Any, writer: Any) -> None:
        await reader.readexactly(1)
        raise error()

    def plain(reader: Any, writer: Any) -> None:
        raise error()

    def future(reader: Any, writer: Any) -> Any:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(error())
        held.append(writer)
        return failed

    def task(reader: Any, writer: Any) -> Any:
        return asyncio.get_running_loop().create_task(coroutine(reader, writer))

    class Awaitable:
        def __init__(self, reader: Any, writer: Any) -> None:
            self.held = reader, writer

        def __await__(self) -> Any:
            raise error()
            yield

    return {
        "coroutine": coroutine,
        "coroutine, later": after_a_while,
        "plain": plain,
        "future": future,
        "task": task,
        "awaitable": Awaitable,
    }


KINDS = list(raising(RuntimeError))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [KeyError, OSError, StopAsyncIteration])
async def test_an_error_is_told_once_and_ends_the_connection(
    kind: str, error: type[Exception], peer: Peers, loop_errors: list[dict[str, Any]]
) -> None:
    async with serving(raising(lambda: error("a mistake"))[kind]) as server:
        wire = peer.connect(address_of(server))
        wire.send(b"x")
        await ended(wire)
        await settle()
        context = only_report(loop_errors, error)
        assert context["exception"].args == ("a mistake",)
        host, port = wire.sock.getsockname() if wire.sock.fileno() >= 0 else (None, None)
        assert f"{host}:{port}" in str(context["connection"])
        assert context["transport"].is_closing()
        context.clear()
        # The server lives on.
        again = peer.connect(address_of(server))
        again.send(b"x")
        await ended(again)
        await settle()
        only_report(loop_errors, error)
        assert server.is_serving()


async def test_an_error_of_a_unix_connection(unix_path: str, peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        raise KeyError("x")

    async with await penstock.start_unix_server(handle, unix_path):
        await ended(peer.connect(unix_path))
        await settle()
        assert unix_path in only_report(loop_errors, KeyError)["connection"]


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_that_is_no_exception(kind: str, peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    async with serving(raising(lambda: Misfit("odd"))[kind]) as server:
        wire = peer.connect(address_of(server))
        wire.send(b"x")
        await ended(wire)
        await settle()
        assert [type(context["exception"]) for context in loop_errors] == [Misfit]
        loop_errors.clear()
        assert server.is_serving()


@pytest.mark.parametrize("kind", ["coroutine", "coroutine, later", "plain"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_ends_it(kind: str, error: type[BaseException], loop_kind: str) -> None:
    async def main() -> None:
        async with serving(raising(error)[kind]) as server:
            with socket.create_connection(address_of(server)) as sock:
                sock.sendall(b"x")
                await asyncio.Event().wait()

    with pytest.raises(error), loops.new_runner(loop_kind) as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: None)
        runner.run(main())
    gc.collect()


async def test_a_handler_that_returns_at_once_without_closing(peer: Peers) -> None:
    """Nobody can close the connection any more: it is closed, with a warning, as in asyncio since Python 3.13."""

    async def handle(reader: Any, writer: Any) -> None:
        pass

    async def visit() -> None:
        async with serving(handle) as server:
            await ended(peer.connect(address_of(server)))
            gc.collect()

    with pytest.warns(ResourceWarning, match="unclosed"):
        await visit()


async def test_a_handler_that_closes_and_returns_at_once(peer: Peers) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        writer.write(b"bye")
        writer.close()

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        assert await wire.in_thread(wire.receive_rest) == b"bye"


@pytest.mark.parametrize("how", ["task", "raised", "future"])
async def test_cancellation_ends_the_connection_and_is_not_told(how: str, peer: Peers) -> None:
    begun = asyncio.Event()
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    held: list[Any] = []

    async def handle(reader: Any, writer: Any) -> None:
        begun.set()
        if how == "raised":
            raise asyncio.CancelledError
        await asyncio.Event().wait()

    def with_future(reader: Any, writer: Any) -> Any:
        held.append((reader, writer))
        begun.set()
        return future

    async with serving(with_future if how == "future" else handle) as server:
        wire = peer.connect(address_of(server))
        await begun.wait()
        await settle()
        for task in server.handlers:
            task.cancel()
        await ended(wire)
        assert server.handlers == frozenset()
        held.clear()


async def test_a_plain_function_that_raises_cancelled_error(peer: Peers) -> None:
    def handle(reader: Any, writer: Any) -> None:
        raise asyncio.CancelledError

    async with serving(handle) as server:
        await ended(peer.connect(address_of(server)))
        assert server.is_serving()


async def test_a_future_of_another_loop_is_told_and_ends_the_connection(
    peer: Peers, loop_errors: list[dict[str, Any]]
) -> None:
    other = asyncio.new_event_loop()
    try:
        future = other.create_future()
        held: list[Any] = []

        def handle(reader: Any, writer: Any) -> Any:
            held.append(writer)
            return future

        async with serving(handle) as server:
            await ended(peer.connect(address_of(server)))
            await settle()
            only_report(loop_errors, ValueError)
        future.cancel()
    finally:
        other.close()


# -- the connection's own loss --------------------------------------------------------------------------------------


async def _read(reader: Any, writer: Any) -> None:
    while await reader.read(100):
        pass


async def _write(reader: Any, writer: Any) -> None:
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()


async def _write_to_the_lost(reader: Any, writer: Any) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    while True:
        writer.write(b"x")
        await writer.drain()


async def _wait_closed(reader: Any, writer: Any) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    await writer.wait_closed()


async def _exactly(reader: Any, writer: Any) -> None:
    await reader.readexactly(10)


async def _in_a_task_group(reader: Any, writer: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_read(reader, writer))
        group.create_task(_write(reader, writer))


async def _in_nested_groups(reader: Any, writer: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_in_a_task_group(reader, writer))


OWN_LOSSES = [_read, _write, _write_to_the_lost, _wait_closed, _exactly, _in_a_task_group, _in_nested_groups]


@pytest.mark.parametrize("body", OWN_LOSSES)
async def test_the_loss_of_its_own_connection_is_not_told(body: Callable[..., Any], peer: Peers) -> None:
    raised: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        try:
            await body(reader, writer)
        except BaseException as error:
            raised.set_result(type(error))
            raise

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        while not server.handlers:
            await asyncio.sleep(0)
        wire.reset()
        assert issubclass(await raised, (ConnectionError, ExceptionGroup))
        await settle()
        assert server.handlers == frozenset()
        assert server.is_serving()


async def test_the_loss_during_start_tls_is_not_told(peer: Peers, tls: Any) -> None:
    """start_tls is a method of this connection's writer like any other."""
    raised: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    begun = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        begun.set()
        try:
            await writer.start_tls(tls.server_context)
        except BaseException as error:
            raised.set_result(type(error))
            raise

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        await begun.wait()
        await settle()
        wire.reset()
        assert issubclass(await raised, ConnectionError)
        await settle()


@pytest.mark.parametrize("error", [ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ConnectionError])
async def test_any_other_connection_error_is_told(
    error: type[Exception], peer: Peers, loop_errors: list[dict[str, Any]]
) -> None:
    """Of a database, of a connection that the handler opened itself …"""

    async def handle(reader: Any, writer: Any) -> None:
        raise error("of somebody else")

    async with serving(handle) as server:
        await ended(peer.connect(address_of(server)))
        await settle()
        only_report(loop_errors, error)


async def test_the_loss_of_another_connection_is_told(peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    """A proxy's: the upstream connection is penstock's as well, but not this one."""
    upstream = peer.listen()
    up = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        other_reader, other_writer = await penstock.open_connection(*upstream.address)
        up.set()
        try:
            await other_reader.read(1)
        finally:
            other_writer.close()

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        await up.wait()
        upstream.accept().reset()
        await ended(wire)
        await settle()
        only_report(loop_errors, ConnectionResetError)


async def test_a_group_with_more_than_the_own_loss_is_told(peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        try:
            await reader.read(1)
        except ConnectionError as error:
            raise ExceptionGroup("both", [error, KeyError("more")])

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        while not server.handlers:
            await asyncio.sleep(0)
        wire.reset()
        while server.handlers:
            await asyncio.sleep(0)
        await settle()
        only_report(loop_errors, ExceptionGroup)


async def test_an_error_after_the_loss_is_told(peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        try:
            await reader.read(1)
        except ConnectionError:
            raise KeyError("clean-up failed")

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        while not server.handlers:
            await asyncio.sleep(0)
        wire.reset()
        while not loop_errors:
            await asyncio.sleep(0)
        await settle()
        only_report(loop_errors, KeyError)


async def test_an_incomplete_read_is_told(peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    """A clean end in the middle of a record is for the handler to expect."""

    async def handle(reader: Any, writer: Any) -> None:
        await reader.readexactly(10)

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        wire.send(b"short")
        wire.half_close()
        await ended(wire)
        await settle()
        only_report(loop_errors, asyncio.IncompleteReadError)
