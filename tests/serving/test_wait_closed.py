"""S11: Server.wait_closed() behaves as in Python 3.13 on every Python and loop.

Under install() it behaves as in the running interpreter and loop.
"""

import asyncio
import gc
import sys
import types
from typing import Any

import pytest

import sluiceway
from serving.handlers import read_to_eof
from sluiceway._asyncio.install import _with_asyncios_rules
from support.connections import server_address
from support.non_reading_peer import PAYLOAD
from support.scheduling import run_iterations

ITERATIONS = 20


async def server_with_connection(streams: Any) -> tuple[Any, Any]:
    """Return a server and the writer of a connection whose handler runs."""
    running = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        running.set()
        await read_to_eof(reader, writer)

    server = await streams.start_server(handle, "127.0.0.1", 0)
    _, writer = await streams.open_connection(*server_address(server))
    await running.wait()
    return server, writer


async def close(writer: Any) -> None:
    writer.close()
    await writer.wait_closed()


async def test_wait_closed_without_connections_returns() -> None:
    server = await sluiceway.start_server(read_to_eof, "127.0.0.1", 0)
    server.close()
    await server.wait_closed()
    await server.wait_closed()


async def test_wait_closed_after_close_waits_for_connections() -> None:
    server, writer = await server_with_connection(sluiceway)
    server.close()
    waiting = asyncio.create_task(server.wait_closed())
    await run_iterations(ITERATIONS)
    assert not waiting.done()
    await close(writer)
    await waiting


async def test_wait_closed_before_close_waits_for_close() -> None:
    server, writer = await server_with_connection(sluiceway)
    waiting = asyncio.create_task(server.wait_closed())
    await close(writer)
    await run_iterations(ITERATIONS)
    assert not waiting.done()
    server.close()
    await waiting


async def test_wait_closed_before_close_waits_for_connections() -> None:
    server, writer = await server_with_connection(sluiceway)
    waiting = [asyncio.create_task(server.wait_closed()) for _ in range(3)]
    await run_iterations(ITERATIONS)
    server.close()
    await run_iterations(ITERATIONS)
    assert not any(waiter.done() for waiter in waiting)
    await close(writer)
    await asyncio.gather(*waiting)


async def test_cancelled_wait_closed_leaves_other_waiters_waiting() -> None:
    """X6: a cancelled wait affects only itself."""
    server, writer = await server_with_connection(sluiceway)
    server.close()
    first, second = (asyncio.create_task(server.wait_closed()) for _ in range(2))
    await run_iterations(ITERATIONS)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await run_iterations(ITERATIONS)
    assert not second.done()
    await close(writer)
    await second


async def test_async_with_waits_for_open_connections() -> None:
    server, writer = await server_with_connection(sluiceway)

    async def serve() -> None:
        async with server:
            pass

    serving = asyncio.create_task(serve())
    await run_iterations(ITERATIONS)
    assert not serving.done()
    await close(writer)
    await serving


@pytest.mark.parametrize("is_coroutine", [True, False])
async def test_wait_closed_waits_for_transport_with_other_protocol(loop_kind: str, is_coroutine: bool) -> None:
    """After set_protocol() only the transport knows when the connection ends."""
    connection_lost_called = asyncio.Event()
    switched = asyncio.Event()

    class OtherProtocol(asyncio.Protocol):
        def connection_lost(self, exc: BaseException | None) -> None:
            connection_lost_called.set()

    with_writer: list[Any] = []

    def handle(reader: Any, writer: Any) -> None:
        with_writer.append(writer)
        writer.transport.set_protocol(OtherProtocol())
        switched.set()

    async def handle_in_task(reader: Any, writer: Any) -> None:
        handle(reader, writer)

    server = await sluiceway.start_server(handle_in_task if is_coroutine else handle, "127.0.0.1", 0)
    _, writer = await sluiceway.open_connection(*server_address(server))
    await switched.wait()
    server.close()
    waiting = asyncio.create_task(server.wait_closed())
    await run_iterations(ITERATIONS)
    assert not waiting.done()
    await close(writer)
    await connection_lost_called.wait()
    with_writer.clear()
    await run_iterations(ITERATIONS)
    if sys.version_info < (3, 12) and loop_kind != "uvloop":
        gc.collect()  # there asyncio's transport is in a reference cycle
    await waiting


@pytest.mark.parametrize("call", ["close_clients", "abort_clients", "abort of the Stream"])
async def test_calls_after_end_of_transport_with_other_protocol(call: str) -> None:
    """The program keeps a transport that has ended under another protocol, which alone got the end."""
    ended = asyncio.Event()

    class OtherProtocol(asyncio.Protocol):
        def connection_lost(self, exc: BaseException | None) -> None:
            ended.set()

    kept: list[Any] = []

    async def handle(reader: Any, writer: Any) -> None:
        kept.append(writer.transport)
        if call == "abort of the Stream":
            kept.append(sluiceway.Stream.from_pair(reader, writer))
        # asyncio's transport ends as soon as this is sent, without a step of its own.
        writer.write(PAYLOAD)
        writer.transport.set_protocol(OtherProtocol())
        writer.transport.close()

    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    reader, writer = await sluiceway.open_connection(*server_address(server))
    assert await reader.read() == PAYLOAD
    await ended.wait()
    await run_iterations(ITERATIONS)
    if call == "abort of the Stream":
        kept[1].abort()
    else:
        getattr(server, call)()
    server.close()
    await close(writer)
    kept.clear()


# -- under install() -----------------------------------------------------------------------------------------------


async def _returns_with_open_connection(streams: Any, when: str) -> bool:
    """Return whether wait_closed(), called before or after close(), returns while a connection is open."""
    server, writer = await server_with_connection(streams)
    if when == "before close":
        waiting = asyncio.create_task(server.wait_closed())
        await run_iterations(ITERATIONS)
        server.close()
    else:
        server.close()
        waiting = asyncio.create_task(server.wait_closed())
    await run_iterations(ITERATIONS)
    returned = waiting.done()
    await close(writer)
    await waiting
    return returned


@pytest.mark.parametrize("when", ["before close", "after close"])
async def test_installed_wait_closed_behaves_as_in_running_interpreter(when: str) -> None:
    expected = await _returns_with_open_connection(asyncio, when)
    with sluiceway.installed():
        assert asyncio.start_server is not sluiceway.start_server
        assert await _returns_with_open_connection(asyncio, when) == expected


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("version", [(3, 11, 7), (3, 12, 0), (3, 12, 1)])
async def test_installed_wait_closed_waits_for_connections_from_python_3_12_0_on(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", version)
        start = _with_asyncios_rules(sluiceway.start_server)
    streams = types.SimpleNamespace(start_server=start, open_connection=sluiceway.open_connection)
    assert await _returns_with_open_connection(streams, "after close") == (version < (3, 12))


async def _is_closed_with_serve_forever(streams: Any) -> bool:
    """Return whether the end of serve_forever() closes an open connection."""
    server, writer = await server_with_connection(streams)
    (handler,) = (task for task in asyncio.all_tasks() if task is not asyncio.current_task())
    serving = asyncio.create_task(server.serve_forever())
    await run_iterations(ITERATIONS)
    serving.cancel()
    await run_iterations(ITERATIONS)
    closed = handler.done()
    await close(writer)
    with pytest.raises(asyncio.CancelledError):
        await serving
    return closed


async def test_installed_serve_forever_closes_connections_as_in_running_interpreter() -> None:
    expected = await _is_closed_with_serve_forever(asyncio)
    with sluiceway.installed():
        assert await _is_closed_with_serve_forever(asyncio) == expected
    assert await _is_closed_with_serve_forever(sluiceway)


async def _close_server_before_connection(streams: types.ModuleType) -> None:
    """Close the server first, then the connection: hangs if wait_closed() waits for connections."""
    server, writer = await server_with_connection(streams)
    server.close()
    await server.wait_closed()
    await close(writer)


@pytest.mark.loops("uvloop", *(["asyncio"] if sys.version_info < (3, 12) else []))  # later versions of asyncio wait too
async def test_installed_wait_closed_does_not_hang_where_asyncio_does_not() -> None:
    await _close_server_before_connection(asyncio)
    with sluiceway.installed():
        await _close_server_before_connection(asyncio)


def test_installed_wait_closed_on_subclass_of_asyncio_loop_behaves_as_in_asyncio() -> None:

    class Loop(asyncio.SelectorEventLoop):
        pass

    with asyncio.Runner(loop_factory=Loop) as runner:
        expected = runner.run(_returns_with_open_connection(asyncio, "after close"))
        with sluiceway.installed():
            assert runner.run(_returns_with_open_connection(asyncio, "after close")) == expected


async def test_installed_wait_closed_of_unix_server_behaves_as_in_asyncio(unix_path: str) -> None:
    async def program() -> bool:
        running = asyncio.Event()

        async def handle(reader: Any, writer: Any) -> None:
            running.set()
            await read_to_eof(reader, writer)

        server = await asyncio.start_unix_server(handle, unix_path)
        _, writer = await asyncio.open_unix_connection(unix_path)
        await running.wait()
        server.close()
        waiting = asyncio.create_task(server.wait_closed())
        await run_iterations(ITERATIONS)
        returned = waiting.done()
        await close(writer)
        await waiting
        return returned

    expected = await program()
    with sluiceway.installed():
        assert await program() == expected
