"""S11: Server.wait_closed means what it means in Python 3.13, on every Python and loop; under install() it means what
the running interpreter and loop mean."""

import asyncio
import gc
import sys
import types
from typing import Any

import pytest

import sluiceway
from support.connections import server_address
from support.scheduling import run_iterations

ITERATIONS = 20


async def until_the_end(reader: Any, writer: Any) -> None:
    await reader.read()
    writer.close()


async def connected(streams: Any) -> tuple[Any, Any]:
    """Return a server and the writer of a connection whose handler runs."""
    running = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        running.set()
        await until_the_end(reader, writer)

    server = await streams.start_server(handle, "127.0.0.1", 0)
    _, writer = await streams.open_connection(*server_address(server))
    await running.wait()
    return server, writer


async def end(writer: Any) -> None:
    writer.close()
    await writer.wait_closed()


async def test_nobody_connected() -> None:
    server = await sluiceway.start_server(until_the_end, "127.0.0.1", 0)
    server.close()
    await server.wait_closed()
    await server.wait_closed()


async def test_after_close_it_waits_for_connections() -> None:
    server, writer = await connected(sluiceway)
    server.close()
    waiting = asyncio.create_task(server.wait_closed())
    await run_iterations(ITERATIONS)
    assert not waiting.done()
    await end(writer)
    await waiting


async def test_before_close_it_waits_for_close_and_connections() -> None:
    server, writer = await connected(sluiceway)
    waiting = asyncio.create_task(server.wait_closed())
    await end(writer)
    await run_iterations(ITERATIONS)
    assert not waiting.done()
    server.close()
    await waiting


async def test_close_first_connections_afterwards() -> None:
    server, writer = await connected(sluiceway)
    waiting = [asyncio.create_task(server.wait_closed()) for _ in range(3)]
    await run_iterations(ITERATIONS)
    server.close()
    await run_iterations(ITERATIONS)
    assert not any(one.done() for one in waiting)
    await end(writer)
    await asyncio.gather(*waiting)


async def test_a_cancelled_wait_cancels_itself_alone() -> None:
    server, writer = await connected(sluiceway)
    server.close()
    first, second = (asyncio.create_task(server.wait_closed()) for _ in range(2))
    await run_iterations(ITERATIONS)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await run_iterations(ITERATIONS)
    assert not second.done()
    await end(writer)
    await second


async def test_async_with_waits_for_connections() -> None:
    server, writer = await connected(sluiceway)

    async def serve() -> None:
        async with server:
            pass

    serving = asyncio.create_task(serve())
    await run_iterations(ITERATIONS)
    assert not serving.done()
    await end(writer)
    await serving


async def test_a_handler_that_gave_its_transport_another_protocol(loop_kind: str) -> None:
    """Nobody but the transport knows when such a connection ends."""
    lost = asyncio.Event()
    switched = asyncio.Event()

    class Other(asyncio.Protocol):
        def connection_lost(self, exc: BaseException | None) -> None:
            lost.set()

    def handle(reader: Any, writer: Any) -> None:
        writer.transport.set_protocol(Other())
        switched.set()

    with_writer: list[Any] = []

    async def keep(reader: Any, writer: Any) -> None:
        with_writer.append(writer)
        handle(reader, writer)

    server = await sluiceway.start_server(keep, "127.0.0.1", 0)
    _, writer = await sluiceway.open_connection(*server_address(server))
    await switched.wait()
    server.close()
    waiting = asyncio.create_task(server.wait_closed())
    await run_iterations(ITERATIONS)
    assert not waiting.done()
    await end(writer)
    await lost.wait()
    with_writer.clear()
    await run_iterations(ITERATIONS)
    if sys.version_info < (3, 12) and loop_kind != "uvloop":
        gc.collect()  # there asyncio's transport is part of a ring of its own
    await asyncio.wait_for(waiting, 5)


# -- under install() -----------------------------------------------------------------------------------------------


async def _returns_with_a_connection_open(streams: Any, when: str) -> bool:
    """Say whether wait_closed, called before or after close(), ends while a connection is open."""
    server, writer = await connected(streams)
    if when == "before close":
        waiting = asyncio.create_task(server.wait_closed())
        await run_iterations(ITERATIONS)
        server.close()
    else:
        server.close()
        waiting = asyncio.create_task(server.wait_closed())
    await run_iterations(ITERATIONS)
    returned = waiting.done()
    await end(writer)
    await asyncio.wait_for(waiting, 5)
    return returned


@pytest.mark.parametrize("when", ["before close", "after close"])
async def test_installed_it_is_as_the_running_interpreter_has_it(when: str) -> None:
    expected = await _returns_with_a_connection_open(asyncio, when)
    with sluiceway.installed():
        assert asyncio.start_server is not sluiceway.start_server
        assert await _returns_with_a_connection_open(asyncio, when) == expected


async def _program_that_relies_on_it(streams: types.ModuleType) -> None:
    """Close the server first, and the connection when the server is closed: hangs where wait_closed waits for it."""
    server, writer = await connected(streams)
    server.close()
    await server.wait_closed()
    await end(writer)


@pytest.mark.loops("uvloop", *(["asyncio"] if sys.version_info < (3, 12) else []))  # later asyncio waits itself
async def test_installed_no_program_hangs_that_did_not() -> None:
    await asyncio.wait_for(_program_that_relies_on_it(asyncio), 5)
    with sluiceway.installed():
        await asyncio.wait_for(_program_that_relies_on_it(asyncio), 5)


def test_installed_on_a_loop_of_the_users_own_class() -> None:
    """A loop derived from asyncio's is asyncio's in this."""

    class Loop(asyncio.SelectorEventLoop):
        pass

    with asyncio.Runner(loop_factory=Loop) as runner:
        expected = runner.run(_returns_with_a_connection_open(asyncio, "after close"))
        with sluiceway.installed():
            assert runner.run(_returns_with_a_connection_open(asyncio, "after close")) == expected


async def test_installed_unix(unix_path: str) -> None:
    async def program() -> bool:
        running = asyncio.Event()

        async def handle(reader: Any, writer: Any) -> None:
            running.set()
            await until_the_end(reader, writer)

        server = await asyncio.start_unix_server(handle, unix_path)
        _, writer = await asyncio.open_unix_connection(unix_path)
        await running.wait()
        server.close()
        waiting = asyncio.create_task(server.wait_closed())
        await run_iterations(ITERATIONS)
        returned = waiting.done()
        await end(writer)
        await waiting
        return returned

    expected = await program()
    with sluiceway.installed():
        assert await program() == expected
