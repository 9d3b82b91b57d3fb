"""X4: the server owns its handlers; an exception of a handler is reported once and closes only its own connection."""

import asyncio
import gc
import socket
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from serving.failing_handlers import assert_connection_closed, pop_handler_error, running_server
from support import loops
from support.connections import server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, wait_until


class BaseExceptionSubclass(BaseException):
    """A BaseException other than KeyboardInterrupt and SystemExit."""


# -- ownership ------------------------------------------------------------------------------------------------------


async def test_running_handlers_are_listed_and_named_after_peer(raw_peers: RawPeers) -> None:
    may_end = asyncio.Event()
    started = asyncio.Queue[Any]()

    async def handle(reader: Any, writer: Any) -> None:
        started.put_nowait(asyncio.current_task())
        await may_end.wait()
        writer.close()

    async with running_server(handle) as server:
        assert server.handlers == frozenset()
        peers = [raw_peers.connect(server_address(server)) for _ in range(3)]
        tasks = {await started.get() for _ in peers}
        await run_iterations(10)
        assert server.handlers == tasks
        names = {task.get_name() for task in tasks}
        for peer in peers:
            host, port = peer.sock.getsockname()
            assert any(f"{host}:{port}" in name for name in names)
        may_end.set()
        await asyncio.wait(tasks)
        await run_iterations(10)
        assert server.handlers == frozenset()


async def test_handlers_attribute_is_read_only() -> None:
    async with running_server(lambda reader, writer: writer.close()) as server:
        assert isinstance(server.handlers, frozenset)
        with pytest.raises(AttributeError):
            server.handlers = set()


async def test_handler_without_other_references_is_kept_by_server(raw_peers: RawPeers) -> None:
    """The task waits for a future to which only the task refers, so only the server keeps both."""
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

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        while not waits_for:
            await asyncio.sleep(0)
        await run_iterations(10)
        for _ in range(3):
            gc.collect()
        future = waits_for[0]()
        assert future is not None
        future.set_result("alive")
        del future
        await assert_connection_closed(peer)
    assert finished == ["alive"]


async def test_handler_that_outlives_connection_stays_listed(raw_peers: RawPeers) -> None:
    may_end = asyncio.Event()
    closed = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        closed.set()
        await may_end.wait()

    async with running_server(handle) as server:
        raw_peers.connect(server_address(server)).close()
        await closed.wait()
        await run_iterations(10)
        assert len(server.handlers) == 1
        server.close()
        await server.wait_closed()
        assert len(server.handlers) == 1
        may_end.set()
        await run_iterations(10)
        assert len(server.handlers) == 0


async def test_future_returned_by_callback_is_listed_as_handler(raw_peers: RawPeers) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    kept: list[Any] = []

    def handle(reader: Any, writer: Any) -> Any:
        kept.append(writer)
        return future

    async with running_server(handle) as server:
        raw_peers.connect(server_address(server))
        while not kept:
            await asyncio.sleep(0)
        assert server.handlers == {future}
        future.set_result(None)
        await run_iterations(10)
        assert server.handlers == frozenset()
        kept.pop().close()


# -- errors ---------------------------------------------------------------------------------------------------------


def failing_handlers(error: Callable[[], BaseException]) -> dict[str, Callable[..., Any]]:
    """Return handlers of every type that fail with a new error."""
    # The writer is kept until the error is reported; without a reference the connection counts as unclosed.
    kept: list[Any] = []

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
        kept.append(writer)
        return failed

    def task(reader: Any, writer: Any) -> Any:
        return asyncio.get_running_loop().create_task(coroutine(reader, writer))

    class Awaitable:
        def __init__(self, reader: Any, writer: Any) -> None:
            self.kept = reader, writer

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


KINDS = list(failing_handlers(RuntimeError))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [KeyError, OSError, StopAsyncIteration])
async def test_handler_error_is_reported_once_and_closes_connection(
    kind: str, error: type[Exception], raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    async with running_server(failing_handlers(lambda: error("a mistake"))[kind]) as server:
        peer = raw_peers.connect(server_address(server))
        peer.send(b"x")
        await assert_connection_closed(peer)
        await run_iterations(10)
        context = pop_handler_error(loop_errors, error)
        assert context["exception"].args == ("a mistake",)
        host, port = peer.sock.getsockname() if peer.sock.fileno() >= 0 else (None, None)
        assert f"{host}:{port}" in str(context["connection"])
        assert context["transport"].is_closing()
        context.clear()
        # The server continues.
        again = raw_peers.connect(server_address(server))
        again.send(b"x")
        await assert_connection_closed(again)
        await run_iterations(10)
        pop_handler_error(loop_errors, error)
        assert server.is_serving()


async def test_handler_error_of_unix_connection_is_reported_with_path(
    unix_path: str, raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        raise KeyError("x")

    async with await sluiceway.start_unix_server(handle, unix_path):
        await assert_connection_closed(raw_peers.connect(unix_path))
        await run_iterations(10)
        assert unix_path in pop_handler_error(loop_errors, KeyError)["connection"]


@pytest.mark.parametrize("kind", KINDS)
async def test_handler_error_derived_from_base_exception_is_reported_and_closes_connection(
    kind: str, raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    async with running_server(failing_handlers(lambda: BaseExceptionSubclass("odd"))[kind]) as server:
        peer = raw_peers.connect(server_address(server))
        peer.send(b"x")
        await assert_connection_closed(peer)
        await run_iterations(10)
        assert [type(context["exception"]) for context in loop_errors] == [BaseExceptionSubclass]
        loop_errors.clear()
        assert server.is_serving()


@pytest.mark.parametrize("kind", ["coroutine", "coroutine, later", "plain"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_keyboard_interrupt_or_system_exit_in_handler_propagates(
    kind: str, error: type[BaseException], loop_kind: str
) -> None:
    async def main() -> None:
        async with running_server(failing_handlers(error)[kind]) as server:
            with socket.create_connection(server_address(server)) as sock:
                sock.sendall(b"x")
                await asyncio.Event().wait()

    with pytest.raises(error), loops.new_runner(loop_kind) as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: None)
        runner.run(main())
    gc.collect()


def test_connection_of_failed_handler_is_closed_although_the_exception_handler_raises(loop_kind: str) -> None:
    writers: list[Any] = []

    async def handle(reader: Any, writer: Any) -> None:
        writers.append(writer)
        raise KeyError("x")

    def exit_at_once(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        raise SystemExit

    async def main() -> None:
        servers.append(await sluiceway.start_server(handle, "127.0.0.1", 0))
        sock.connect(server_address(servers[0]))
        await asyncio.Event().wait()

    async def close_server() -> None:
        servers[0].close()
        await servers[0].wait_closed()

    servers: list[sluiceway.Server] = []
    with loops.new_runner(loop_kind) as runner, socket.socket() as sock:
        runner.get_loop().set_exception_handler(exit_at_once)
        with pytest.raises(SystemExit):
            runner.run(main())
        closes = writers[0].transport.is_closing()
        writers[0].transport.abort()
        runner.run(close_server())
    assert closes


async def drop(reader: Any, writer: Any) -> None:
    pass


def drop_at_once(reader: Any, writer: Any) -> None:
    pass


async def generate(reader: Any, writer: Any) -> Any:
    yield await reader.readline()


@pytest.mark.parametrize("handle", [drop, drop_at_once, generate])
async def test_handler_that_returns_without_close_warns_and_closes_connection(
    handle: Callable[..., Any], raw_peers: RawPeers
) -> None:
    """X5: no reference to the writer is left, so the connection is closed with a ResourceWarning, as in asyncio since
    3.13.
    """

    async def visit() -> None:
        async with running_server(handle) as server:
            await assert_connection_closed(raw_peers.connect(server_address(server)))
            gc.collect()

    with pytest.warns(ResourceWarning, match="unclosed"):
        await visit()


async def test_handler_that_closes_and_returns_sends_its_data(raw_peers: RawPeers) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        writer.write(b"bye")
        writer.close()

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        assert await peer.in_thread(peer.receive_rest) == b"bye"


@pytest.mark.parametrize("how", ["task", "raised", "future"])
async def test_cancelled_handler_closes_connection_and_is_not_reported(how: str, raw_peers: RawPeers) -> None:
    started = asyncio.Event()
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    kept: list[Any] = []

    async def handle(reader: Any, writer: Any) -> None:
        started.set()
        if how == "raised":
            raise asyncio.CancelledError
        await asyncio.Event().wait()

    def with_future(reader: Any, writer: Any) -> Any:
        kept.append((reader, writer))
        started.set()
        return future

    async with running_server(with_future if how == "future" else handle) as server:
        peer = raw_peers.connect(server_address(server))
        await started.wait()
        await run_iterations(10)
        for task in server.handlers:
            task.cancel()
        await assert_connection_closed(peer)
        assert server.handlers == frozenset()
        kept.clear()


async def test_plain_callback_that_raises_cancelled_error_closes_connection(raw_peers: RawPeers) -> None:
    def handle(reader: Any, writer: Any) -> None:
        raise asyncio.CancelledError

    async with running_server(handle) as server:
        await assert_connection_closed(raw_peers.connect(server_address(server)))
        assert server.is_serving()


async def test_future_of_other_loop_is_reported_and_closes_connection(
    raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    other = asyncio.new_event_loop()
    try:
        future = other.create_future()
        kept: list[Any] = []

        def handle(reader: Any, writer: Any) -> Any:
            kept.append(writer)
            return future

        async with running_server(handle) as server:
            await assert_connection_closed(raw_peers.connect(server_address(server)))
            await run_iterations(10)
            pop_handler_error(loop_errors, ValueError)
        future.cancel()
    finally:
        other.close()


async def test_handler_without_server_survives_a_garbage_collection(raw_peers: RawPeers) -> None:
    """The loop refers weakly to a task, and here nothing else refers to the task or to what it awaits."""
    loop = asyncio.get_running_loop()
    awaited: list[weakref.ref[asyncio.Future[None]]] = []
    ended = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        future = loop.create_future()
        awaited.append(weakref.ref(future))
        await future
        ended.set()

    def new_protocol() -> Any:
        return sluiceway.StreamReaderProtocol(sluiceway.StreamReader(loop=loop), handle, loop=loop)

    listener = raw_peers.listen()
    await loop.create_connection(new_protocol, *listener.address)
    listener.accept().close()
    await wait_until(lambda: awaited)
    gc.collect()
    future = awaited[0]()
    assert future is not None
    future.set_result(None)
    await ended.wait()


async def test_plain_callback_that_closes_the_server_is_not_reported(raw_peers: RawPeers) -> None:
    """The engine calls it within the loop that accepts, and does not accept the connection that waits behind it."""
    reports: list[Any] = []

    def handle(_reader: Any, writer: Any) -> None:
        writer.close()
        server.close()

    server = await sluiceway.start_server(handle, "127.0.0.1", 0, start_serving=False)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    await server.start_serving()
    address = server_address(server)
    # The loop does not run meanwhile.
    for _ in range(2):
        raw_peers.connect(address)
    await server.wait_closed()
    await run_iterations()
    assert reports == []
