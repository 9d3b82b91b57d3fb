"""X4: a handler that ends with the loss of its own connection is no error; any other connection's loss is one."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from serving.failing_handlers import assert_connection_closed, pop_handler_error, running_server
from support.connections import server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations


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
async def test_the_loss_of_its_own_connection_is_not_told(body: Callable[..., Any], raw_peers: RawPeers) -> None:
    raised: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        try:
            await body(reader, writer)
        except BaseException as error:
            raised.set_result(type(error))
            raise

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        while not server.handlers:
            await asyncio.sleep(0)
        peer.reset()
        assert issubclass(await raised, (ConnectionError, ExceptionGroup))
        await run_iterations(10)
        assert server.handlers == frozenset()
        assert server.is_serving()


async def test_the_loss_during_start_tls_is_not_told(raw_peers: RawPeers, tls: Any) -> None:
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

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        await begun.wait()
        await run_iterations(10)
        peer.reset()
        assert issubclass(await raised, ConnectionError)
        await run_iterations(10)


@pytest.mark.parametrize("error", [ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ConnectionError])
async def test_any_other_connection_error_is_told(
    error: type[Exception], raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    """Of a database, of a connection that the handler opened itself …"""

    async def handle(reader: Any, writer: Any) -> None:
        raise error("of somebody else")

    async with running_server(handle) as server:
        await assert_connection_closed(raw_peers.connect(server_address(server)))
        await run_iterations(10)
        pop_handler_error(loop_errors, error)


async def test_the_loss_of_another_connection_is_told(raw_peers: RawPeers, loop_errors: list[dict[str, Any]]) -> None:
    """A proxy's: the upstream connection is sluiceway's as well, but not this one."""
    upstream = raw_peers.listen()
    up = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        other_reader, other_writer = await sluiceway.open_connection(*upstream.address)
        up.set()
        try:
            await other_reader.read(1)
        finally:
            other_writer.close()

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        await up.wait()
        upstream.accept().reset()
        await assert_connection_closed(peer)
        await run_iterations(10)
        pop_handler_error(loop_errors, ConnectionResetError)


async def test_a_group_with_more_than_the_own_loss_is_told(
    raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        try:
            await reader.read(1)
        except ConnectionError as error:
            raise ExceptionGroup("both", [error, KeyError("more")])

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        while not server.handlers:
            await asyncio.sleep(0)
        peer.reset()
        while server.handlers:
            await asyncio.sleep(0)
        await run_iterations(10)
        pop_handler_error(loop_errors, ExceptionGroup)


async def test_an_error_after_the_loss_is_told(raw_peers: RawPeers, loop_errors: list[dict[str, Any]]) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        try:
            await reader.read(1)
        except ConnectionError:
            raise KeyError("clean-up failed")

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        while not server.handlers:
            await asyncio.sleep(0)
        peer.reset()
        while not loop_errors:
            await asyncio.sleep(0)
        await run_iterations(10)
        pop_handler_error(loop_errors, KeyError)


async def test_an_incomplete_read_is_told(raw_peers: RawPeers, loop_errors: list[dict[str, Any]]) -> None:
    """A clean end in the middle of a record is for the handler to expect."""

    async def handle(reader: Any, writer: Any) -> None:
        await reader.readexactly(10)

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        peer.send(b"short")
        peer.half_close()
        await assert_connection_closed(peer)
        await run_iterations(10)
        pop_handler_error(loop_errors, asyncio.IncompleteReadError)
